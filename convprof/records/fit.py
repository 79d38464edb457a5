"""What a fit depends on: the record beside fitted layers that wait for their fit to go on (convprof.fit/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.analysis import TensorSpec
from convprof.records.plan import Budget, PlannedLayer


class FitKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two fits with the same key have the same result, bit for bit.

    `libraries` are the versions of what computes, and the processor; `model` and `weights` are sha256 over the model's
    file and over its weights wherever they lie; `data` is the fingerprint of the calibration data.
    `budget` is what the layers were chosen for.
    """

    schema: Literal["convprof.fit/1"]
    convprof: str
    libraries: tuple[str, ...]
    model: str
    weights: str
    inputs: tuple[TensorSpec, ...]
    layers: tuple[PlannedLayer, ...]
    data: str
    seed: int
    budget: Budget
    threads: int
    providers: tuple[str, ...]
    inter_op_threads: int
    graph_optimization: str
    session_options: dict[str, str]

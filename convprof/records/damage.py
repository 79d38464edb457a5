"""What each candidate would do to the outputs: the record between sensitivity and planning (convprof.damage/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.analysis import TensorSpec
from convprof.records.convs import Rank

Measure = Literal["layer-error", "relative-l2"]


class Candidate(msgspec.Struct, frozen=True):
    """One way to replace one conv.

    `error` is the relative squared error of the layer's output, E|y - y'|^2 / E|y - mean y|^2: 0 is exact, 1 is as
    bad as printing the mean.
    """

    name: str
    form: str
    rank: Rank
    macs: int
    parameters: int
    error: float


class Sensitivity(msgspec.Struct, frozen=True):
    """How far the model's outputs move where one layer alone has the error of one of its candidates.

    `error` is that candidate's, `damage` the outputs' in the measure of `Damage`.
    """

    name: str
    form: str
    rank: Rank
    error: float
    damage: float


class Damage(msgspec.Struct, frozen=True):
    """All candidates of all layers, and whether their errors were measured on data or read off the weights.

    `measure` says what the damage of a sensitivity is: the outputs' relative squared error, |y - y'|^2 / |y|^2. Where
    no output was looked at, there are no sensitivities, and layers' own errors are all there is.
    """

    candidates: tuple[Candidate, ...]
    data_aware: bool
    sensitivities: tuple[Sensitivity, ...] = ()
    measure: Measure = "layer-error"


class KeptDamage(msgspec.Struct, frozen=True):
    """Damages on disk, and what they were found with: version, the model's sha256 and inputs, data and seed."""

    schema: Literal["convprof.damage/1"]
    convprof: str
    model: str
    inputs: tuple[TensorSpec, ...]
    data: str
    seed: int
    damage: Damage

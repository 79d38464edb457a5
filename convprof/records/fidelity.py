"""How close two models are on data: the record that `verify` writes (convprof.fidelity/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.gates import Gate
from convprof.records.remarks import Remark

Place = Literal["worst", "median", "best"]
"""Where a sample stands among all, by how far its output moved."""


class SampleFidelity(msgspec.Struct, frozen=True):
    """One sample, counted from 0.

    `rms` is the root of its output's mean squared difference, None if not finite. Where the output gives each pixel a
    class, `changed` is the share of pixels that have another one, and the place goes by that.
    """

    place: Place
    sample: int
    rms: float | None
    changed: float | None = None


class OutputFidelity(msgspec.Struct, frozen=True):
    """One output, converted against original.

    `max_abs` is the largest absolute difference, `relative_l2` = |b - a| / |a|, `sqnr_db` = -20 log10(relative_l2)
    (None where the outputs are equal or the original is zero), `top1_agreement` the share of samples with the same
    argmax where the output is a classifier's. `samples` are the one that moved most, the median and the one that moved
    least, each once; none where samples are not on the output's first axis.
    """

    name: str
    max_abs: float | None
    relative_l2: float | None
    sqnr_db: float | None
    top1_agreement: float | None
    finite: bool
    samples: tuple[SampleFidelity, ...] = ()


class MetricChange(msgspec.Struct, frozen=True):
    """The user's metric before and after, and a paired interval for the difference (after - before)."""

    name: str
    before: float
    after: float
    difference: float
    interval: tuple[float, float] | None
    level: float = 0.95


class Fidelity(msgspec.Struct, frozen=True):
    """All outputs and the metric, over `samples` inputs."""

    schema: Literal["convprof.fidelity/1"]
    samples: int
    outputs: tuple[OutputFidelity, ...]
    metric: MetricChange | None = None
    notices: tuple[Remark, ...] = ()
    gates: tuple[Gate, ...] = ()

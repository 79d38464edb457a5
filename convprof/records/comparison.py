"""What differs between two runs: the record that `compare` writes (convprof.comparison/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.fidelity import MetricChange
from convprof.records.gates import Gate
from convprof.records.plan import PlannedLayer
from convprof.records.remarks import Remark

Speedups = Literal["first-higher", "second-higher", "overlap"]


class RunFigures(msgspec.Struct, frozen=True):
    """One run in figures: what its verdict says, and its converted model.

    `level` is that of the speed-up's interval, `times_ms` are the medians before and after; None where no comparison of
    models was recorded. `samples` inputs were judged on, None where none were. `seconds` is what all stages took.
    """

    path: str
    convprof: str
    command: str
    model_sha256: str
    worth_it: bool
    speedup: float
    interval: tuple[float, float]
    level: float | None
    times_ms: tuple[float, float] | None
    samples: int | None
    metric: MetricChange | None
    macs: int
    parameters: int
    replaced: int
    seconds: float


class Difference(msgspec.Struct, frozen=True):
    """One thing of the two environments that is not the same, in words."""

    name: str
    first: str
    second: str


class Decision(msgspec.Struct, frozen=True):
    """What a run made of one conv: what was `planned` for it, or the `reason` why it stays, where one was given."""

    planned: PlannedLayer | None = None
    reason: Remark | None = None


class LayerDifference(msgspec.Struct, frozen=True):
    """One conv that the runs decided differently; None where a run's model has no conv of that name."""

    name: str
    first: Decision | None
    second: Decision | None


class StagePair(msgspec.Struct, frozen=True):
    """The seconds that a stage took in each run; None where a run had no such stage."""

    name: str
    first: float | None
    second: float | None


class RunComparison(msgspec.Struct, frozen=True):
    """Two runs side by side, and what differs.

    `times_comparable` says that both measured on the same machine in the same way. `speedups` says which of the
    speed-ups is higher, or that their intervals overlap. `layers` differ in what was planned for them, `refusals` stay
    in both runs, for different reasons.
    """

    schema: Literal["convprof.comparison/1"]
    convprof: str
    first: RunFigures
    second: RunFigures
    environment: tuple[Difference, ...]
    times_comparable: bool
    speedups: Speedups
    layers: tuple[LayerDifference, ...]
    refusals: tuple[LayerDifference, ...]
    stages: tuple[StagePair, ...]
    notices: tuple[Remark, ...] = ()
    gates: tuple[Gate, ...] = ()

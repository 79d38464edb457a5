"""What training a converted network did: the record beside its file (convprof.tuning/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.remarks import Remark

Precision = Literal["float32", "bfloat16"]


class Way(msgspec.Struct, frozen=True):
    """One way to run a network while it trains: its chains as they are or composed, the type, the order in memory."""

    composed: bool
    precision: Precision
    channels_last: bool


class WayTime(msgspec.Struct, frozen=True):
    """Seconds that a step of training took in one way."""

    way: Way
    seconds: float


class CurvePoint(msgspec.Struct, frozen=True):
    """Where a stage stood after `steps` steps: the mean loss since the last point, and the held-out measure."""

    steps: int
    minutes: float
    loss: float | None
    measure: float


class TunedStage(msgspec.Struct, frozen=True):
    """One method of the recipe: what it saw, how long it took, and the held-out measure before and after it.

    `measure` is the name of that measure: `kl` (nats, to the teacher) and `relative_l2` (to the teacher), `top1` or the
    name of the loss where there are labels; `better` says which way it should go. `steps` is how many were taken,
    `kept` after how many of them the weights that were kept had been reached: 0 for those of the start.
    """

    method: str
    samples: int
    held_out: int
    steps: int
    epochs: float
    minutes: float
    measure: str
    better: Literal["lower", "higher"]
    before: float
    after: float
    kept: int
    batch: int
    learning_rate: float
    rollbacks: int
    curve: tuple[CurvePoint, ...]


class Tuning(msgspec.Struct, frozen=True):
    """Everything that `tune` did and found."""

    schema: Literal["convprof.tuning/1"]
    convprof: str
    student: str
    teacher: str | None
    path: str
    data: str
    labels: str | None
    recipe: tuple[str, ...]
    train: Literal["factors", "all"]
    augment: tuple[str, ...]
    mirrored: bool
    seed: int
    threads: int
    device: str
    way: Way
    times: tuple[WayTime, ...]
    stages: tuple[TunedStage, ...]
    notices: tuple[Remark, ...] = ()

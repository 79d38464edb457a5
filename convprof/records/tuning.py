"""What training a converted network did: the record beside its file (convprof.tuning/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.analysis import ModelFile
from convprof.records.remarks import Remark

Precision = Literal["float32", "bfloat16"]


class Settings(msgspec.Struct, frozen=True):
    """What a user may say of a training run. These defaults are the only ones.

    A method named twice runs twice; a `recipe` of None is chosen by how many inputs there are, `augment` of None from
    the graph and the data. The run takes `seconds`, or instead of them `epochs` passes over the data for every method.
    `learning_rate` is the peak: with `muon` in units of a weight's norm, with `adamw` absolute; None is what suits the
    optimiser. `loss` of None is chosen from the graph and the labels; `threads` of None are torch's.
    """

    recipe: tuple[str, ...] | None = None
    train: Literal["factors", "all"] = "all"
    augment: tuple[str, ...] | None = None
    seconds: float = 1200.0
    epochs: float | None = None
    batch: int = 128
    optimiser: Literal["muon", "adamw"] = "muon"
    learning_rate: float | None = None
    loss: str | None = None
    temperature: float = 2.0
    seed: int = 0
    threads: int | None = None


class Way(msgspec.Struct, frozen=True):
    """One way to run a network while it trains: its chains as they are or composed, the type, the order in memory.

    `compiled` by torch.compile, or operator by operator.
    """

    composed: bool
    precision: Precision
    channels_last: bool
    compiled: bool = False


class WayTime(msgspec.Struct, frozen=True):
    """Seconds that a step of training took in one way."""

    way: Way
    seconds: float


class CurvePoint(msgspec.Struct, frozen=True):
    """Where a stage stood after `steps` steps: the mean loss since the last point, and the held-out measure.

    A measure that is not finite is None.
    """

    steps: int
    minutes: float
    loss: float | None
    measure: float | None


class TunedStage(msgspec.Struct, frozen=True):
    """One method of the recipe: what it saw, how long it took, and the held-out measure before and after it.

    `measure` names it: `kl` (nats) and `relative_l2` are distances to the teacher, `agreement` is the share of inputs
    that get its class, `top1` and the name of a loss need labels; `better` says which way it should go. Of `steps`, for
    `bias` one a convolution, the weights after step `kept` were kept, 0 being the start. `rollbacks` counts how often
    the run diverged and was taken back, `learning_rate` is what it ended with. The teacher's answer was the mean
    over so many `views` of each input: itself, and mirrored, a little aside where pictures are moved.
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
    rollbacks: int = 0
    views: int = 1
    curve: tuple[CurvePoint, ...] = ()


class Tuning(msgspec.Struct, frozen=True):
    """Everything that `tune` did and found.

    `settings` are those used, what was left to convprof included; `mirrored` says that the teacher's answer was its
    mean over a picture and its mirror image, `mirror_agreement` for which share of pictures the two agree on the class.
    `times` are the ways to run that were tried for the last method, the one used first. Without training by steps it is
    empty, and `torch`, its version, None. `processes` have trained together, each with the threads of the settings.
    """

    schema: Literal["convprof.tuning/1"]
    convprof: str
    torch: str | None
    device: str
    processes: int
    student: ModelFile
    teacher: ModelFile | None
    path: str
    data: str
    labels: str | None
    settings: Settings
    mirrored: bool
    mirror_agreement: float | None
    times: tuple[WayTime, ...]
    stages: tuple[TunedStage, ...]
    notices: tuple[Remark, ...] = ()

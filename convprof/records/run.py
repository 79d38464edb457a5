"""The whole story of one `optimize`: the record in report.json (convprof.run/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark, Comparison, ModelTimes
from convprof.records.factors import Recipe
from convprof.records.fidelity import Fidelity
from convprof.records.gates import Gate
from convprof.records.plan import Plan
from convprof.records.planning import Planning
from convprof.records.remarks import Remark


class Stage(msgspec.Struct, frozen=True):
    """One step: how long it took, and on how many samples."""

    name: str
    seconds: float
    samples: int | None


class StageScore(msgspec.Struct, frozen=True):
    """How near the model was to the original after one step of making it, as "weights only" or "closed form".

    The step took `samples` inputs (None: it needed none) and `seconds`, without the comparison. `fidelity` holds the
    metric before, that is of the original, and after.
    """

    name: str
    fidelity: Fidelity
    samples: int | None
    seconds: float


class FittedLayer(msgspec.Struct, frozen=True):
    """How well one planned layer reproduces the original's response on the calibration inputs.

    Errors are relative squared errors as in `Candidate`, behind the activation where one follows; `error_weights` is
    that of the weights-only factors. `model_error` is how far the model's outputs have moved with this layer and all
    before it converted: relative_l2 as in `OutputFidelity`, of the worst output, on a few of the calibration inputs.
    """

    name: str
    form: str
    rank: tuple[int, ...]
    error: float | None
    error_weights: float | None
    model_error: float | None = None
    recipe: Recipe = Recipe()


class LayerChange(msgspec.Struct, frozen=True):
    """One conv before and after: MACs, parameters and, where profiled, latency in ms."""

    name: str
    macs_before: int
    macs_after: int
    parameters_before: int
    parameters_after: int
    latency_before_ms: float | None
    latency_after_ms: float | None


class Rival(msgspec.Struct, frozen=True):
    """What one would do instead of converting, as "dense int8": the original in another precision.

    `samples` inputs were looked at to make it. `bytes` and its kin are sizes of files, data beside them included.
    `fidelity` compares it with the original; the comparisons are of the same benchmark, where a `speedup` above 1 says
    that the rival is the faster one.
    """

    name: str
    path: str
    samples: int
    bytes: int
    bytes_original: int
    bytes_converted: int
    fidelity: Fidelity | None
    against_original: Comparison
    against_converted: Comparison


class RunVerdict(msgspec.Struct, frozen=True):
    """Is it worth it? `speedup` with its interval, the metric's change and the change of parameters (a ratio - 1).

    `better_rival` names what is faster than the converted model and no further from the original, if anything is.
    """

    worth_it: bool
    text: str
    speedup: float
    interval: tuple[float, float]
    metric_change: float | None
    size_change: float
    better_rival: str | None = None


class Run(msgspec.Struct, frozen=True):
    """Everything that `optimize` did and found."""

    schema: Literal["convprof.run/1"]
    convprof: str
    command: str
    analysis: Analysis
    analysis_after: Analysis
    plan: Plan
    fits: tuple[FittedLayer, ...]
    layers: tuple[LayerChange, ...]
    fidelity: Fidelity | None
    benchmark: Benchmark
    stages: tuple[Stage, ...]
    verdict: RunVerdict
    notices: tuple[Remark, ...] = ()
    planning: Planning | None = None
    rival: Rival | None = None
    scores: tuple[StageScore, ...] = ()
    gates: tuple[Gate, ...] = ()

    def judged(self) -> Comparison | None:
        """The comparison that the verdict speaks of, or else the first one."""
        for each in self.benchmark.comparisons:
            if each.speedup == self.verdict.speedup:
                return each
        return next(iter(self.benchmark.comparisons), None)

    def compared(self) -> tuple[ModelTimes | None, ModelTimes | None]:
        """The times of the two models that the verdict compares; None for what was not recorded."""
        found = self.judged()
        if found is None:
            return None, None
        return self.benchmark.model(found.baseline), self.benchmark.model(found.candidate)


class Quantization(msgspec.Struct, frozen=True):
    """What `quantize` wrote: its ranges come from `samples` inputs; sizes of files in bytes, data beside included."""

    path: str
    samples: int
    bytes_before: int
    bytes_after: int
    notices: tuple[Remark, ...] = ()


class Rewriting(msgspec.Struct, frozen=True):
    """What `rewrite` wrote: the plan it followed, how well each layer was fitted, and what the user should know."""

    path: str
    plan: Plan
    fits: tuple[FittedLayer, ...]
    notices: tuple[Remark, ...] = ()

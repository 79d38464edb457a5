"""One model to plan for or to optimise, with all that the stages share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from convprof import execution, rewriting
from convprof.data import Batches
from convprof.fitting import KeptLayers
from convprof.graph import Model, convs_behind
from convprof.holding import Store
from convprof.pipeline.steps import compare, fit
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.factors import FittedConv
from convprof.records.fidelity import Fidelity
from convprof.records.plan import Plan
from convprof.records.progress import Progress
from convprof.records.run import StageScore
from convprof.runtime import Feeds, RunOptions


@dataclass(frozen=True)
class Job:
    """The model, the convs that may be converted, the data to fit to and to judge on, and how to run.

    `final` is the user's folder, `folder` a scratch place inside it; activations take `memory` bytes.
    """

    opened: Model
    before: Analysis
    convs: tuple[ConvReport, ...]
    batches: Batches | None
    judged: Batches | None
    metric: str | None
    options: RunOptions
    seed: int
    memory: int
    final: Path
    folder: Path
    progress: Progress
    timer: Callable[[], float]

    @property
    def path(self) -> Path:
        """The model's file."""
        return Path(self.opened.file.path)

    def feeds(self) -> Feeds:
        """What the models are timed on."""
        return execution.first_feeds(self.opened, self.batches, self.seed)

    def behind(self, layers: Collection[str]) -> frozenset[str]:
        """Names of the convs that see what `layers` make; none without data, which alone can tell how to repair."""
        return frozenset() if self.batches is None else convs_behind(self.opened, layers)

    def store(self) -> Store:
        """A new place for activations."""
        return Store(self.memory, self.folder)


@dataclass(frozen=True)
class Conversion:
    """A plan carried out: its layers' numbers, the model as written, and how near its outputs are.

    The fit took `seconds`.
    """

    plan: Plan
    fitted: tuple[FittedConv, ...]
    written: Model
    fidelity: Fidelity | None
    seconds: float


def scores(job: Job, done: Conversion) -> tuple[StageScore, ...]:
    """What the conversion would be from the weights alone, and what the fit to data has made of it.

    Nothing where there is no data to judge on, or nothing converted.
    """
    if done.fidelity is None or not done.plan.layers:
        return ()
    if job.batches is None:
        return (StageScore("weights only", done.fidelity, None, done.seconds),)
    fitted = StageScore("closed form", done.fidelity, job.batches.count, done.seconds)
    found = tried(replace(job, batches=None), done.plan)
    if found.fidelity is None:
        return (fitted,)
    return (StageScore("weights only", found.fidelity, None, found.seconds), fitted)


def tried(job: Job, plan: Plan) -> Conversion:
    """The plan carried out to see what it comes to; the file of its model is not kept."""
    with TemporaryDirectory(prefix=".try-", dir=job.folder) as scratch:
        return convert(job, plan, Path(scratch) / "model.onnx")


def convert(job: Job, plan: Plan, path: Path, kept: KeptLayers | None = None) -> Conversion:
    """Fit the plan's layers, write the model to `path`, and compare it with the original on the data for judging."""
    prepared = rewriting.prepare(job.opened, plan)
    start = job.timer()
    fitted = fit(prepared, plan, job.batches, job.options, job.seed, job.store(), kept, job.progress)
    seconds = job.timer() - start
    written = rewriting.rewrite(prepared, plan, fitted, path)
    fidelity = None
    if job.judged is not None:
        fidelity = compare(job.opened, job.path, path, job.judged, job.metric, job.options, job.progress)
    return Conversion(plan, fitted, written, fidelity, seconds)

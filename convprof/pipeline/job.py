"""One model to plan for or to optimise, with all that the stages share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
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
    """A plan carried out: its layers' numbers, the model as written, and how near its outputs are."""

    plan: Plan
    fitted: tuple[FittedConv, ...]
    written: Model
    fidelity: Fidelity | None


def tried(job: Job, plan: Plan) -> Conversion:
    """The plan carried out to see what it comes to; the file of its model is not kept."""
    with TemporaryDirectory(prefix=".try-", dir=job.folder) as scratch:
        return convert(job, plan, Path(scratch) / "model.onnx")


def convert(job: Job, plan: Plan, path: Path, kept: KeptLayers | None = None) -> Conversion:
    """Fit the plan's layers, write the model to `path`, and compare it with the original on the data for judging."""
    prepared = rewriting.prepare(job.opened, plan)
    fitted = fit(prepared, plan, job.batches, job.options, job.seed, job.store(), kept, job.progress)
    written = rewriting.rewrite(prepared, plan, fitted, path)
    fidelity = None
    if job.judged is not None:
        fidelity = compare(job.opened, job.path, path, job.judged, job.metric, job.options, job.progress)
    return Conversion(plan, fitted, written, fidelity)

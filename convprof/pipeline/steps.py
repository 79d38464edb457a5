"""Steps that several verbs take: fitting a plan, comparing two models, timing the stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from convprof import (
    execution,
    fitting,
    picturing,
    runtime,
    verification,
)
from convprof.data import Batches
from convprof.graph import Model
from convprof.holding import Store
from convprof.records.factors import FittedConv
from convprof.records.fidelity import Fidelity
from convprof.records.pictures import Pictures
from convprof.records.plan import Plan
from convprof.records.progress import Progress
from convprof.records.run import FittedLayer, Stage
from convprof.runtime import RunOptions


def fit(
    prepared: Model,
    plan: Plan,
    batches: Batches | None,
    options: RunOptions,
    seed: int,
    store: Store,
    kept: fitting.KeptLayers | None,
    progress: Progress,
) -> tuple[FittedConv, ...]:
    """Fit the plan's layers to the data, or without data to the weights alone."""
    if batches is None:
        return fitting.factor(prepared, plan)
    with store:
        return fitting.fit(
            prepared, plan, batches, options=options, seed=seed, store=store, kept=kept, progress=progress
        )


def summaries(fitted: Sequence[FittedConv]) -> tuple[FittedLayer, ...]:
    """What a report says of fitted layers: all but their numbers."""
    return tuple(FittedLayer(f.name, f.form, f.rank, f.error, f.error_weights, f.model_error, f.recipe) for f in fitted)


def compare(
    before: Model,
    original: Path,
    converted: Path,
    batches: Batches,
    metric: str | None,
    options: RunOptions,
    progress: Progress,
) -> Fidelity:
    """Compare two model files on the data, but for samples that do not fill the model's batch."""
    usable = execution.usable_samples(before, batches)
    kept = batches if usable == batches.count else batches.take(usable)
    return verification.compare(
        runtime.open_session(original, options),
        runtime.open_session(converted, options),
        execution.chunks(before, kept),
        labels=kept.labels,
        metric=metric,
        progress=progress,
        total=kept.count,
    )


def pictures(
    before: Model, converted: Model, batches: Batches, fidelity: Fidelity, options: RunOptions
) -> Pictures | None:
    """What there is to see of the samples that `fidelity` names, compared on `batches`; None without a picture."""
    old, new = (runtime.open_session(Path(each.file.path), options) for each in (before, converted))
    return picturing.take(old, new, before, batches, fidelity, converted.file.sha256)


class Watch:
    """Notes how long each stage took."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._last = timer()
        self.stages: tuple[Stage, ...] = ()

    def stage(self, name: str, batches: Batches | None = None) -> None:
        """End the stage called `name`."""
        now = self._timer()
        self.stages += (Stage(name, now - self._last, batches.count if batches else None),)
        self._last = now

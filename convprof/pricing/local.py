"""Prices on this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from convprof.graph import Model
from convprof.pricing.building import build
from convprof.pricing.tables import table
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.prices import LatencyTable
from convprof.records.progress import Progress, silent
from convprof.runtime import Effort, Feeds, RunOptions, measure_probes

_USUAL = Effort()


def price(
    model: Model,
    analysis: Analysis,
    convs: Sequence[ConvReport],
    forms: Collection[str],
    feeds: Feeds,
    *,
    options: RunOptions,
    seed: int,
    timer: Callable[[], float],
    folder: Path,
    effort: Effort = _USUAL,
    progress: Progress = silent,
) -> LatencyTable:
    """Time every candidate of `convs` among `forms` in place, on `feeds`, one array an input at the model's shapes.

    `timer` counts seconds. `folder` holds the models while they are timed; they share their weights, so that all
    together take little more than the largest tensor of the model. It is left empty.

    Raises PlanError where there is no candidate, UsageError where `options` cannot be had, and ModelError where a
    model cannot be opened or run.
    """
    probes, files = build(model, analysis, convs, forms, folder)
    try:
        times = measure_probes(probes, folder, feeds, options, effort, seed=seed, timer=timer, progress=progress)
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    return table(times)

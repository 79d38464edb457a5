"""Which way of writing a chain is the fastest here, by measurement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from convprof import benchmarking, execution, planning, pricing
from convprof.data import Batches
from convprof.forms import FORMS
from convprof.graph import Model
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.convs import Rank
from convprof.records.plan import Plan
from convprof.records.progress import Progress
from convprof.runtime import RunOptions

_ROUNDS = 60


def fastest(
    model: Model,
    counted: Analysis,
    convs: Sequence[ConvReport],
    form: str,
    rank: Rank,
    batches: Batches | None,
    options: RunOptions,
    seed: int,
    progress: Progress,
) -> Plan:
    """The plan of one form at one rank everywhere, in the emission that took the least time, weights apart.

    Raises PlanError as `planning.uniform` does.
    """
    first = planning.uniform(counted, convs, form, rank, None)
    plans = [first, *(planning.uniform(counted, convs, form, rank, each) for each in FORMS[form].emissions[1:])]
    if len(plans) == 1:
        return first
    feeds = execution.first_feeds(model, batches, seed)
    with TemporaryDirectory(prefix="convprof-emissions-") as scratch:
        paths = []
        for number, plan in enumerate(plans):
            folder = Path(scratch, str(number))
            folder.mkdir()
            paths.append(pricing.stand_in(model, plan.layers, folder))
        found = benchmarking.measure(
            [(path, "") for path in paths],
            [feeds] * len(paths),
            options=options,
            iterations=_ROUNDS,
            seed=seed,
            progress=progress,
        )
    return min(zip(found.models, plans, strict=True), key=lambda pair: pair[0].median_ms)[1]

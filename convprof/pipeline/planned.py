"""The verbs that end at a plan: plan, and probe for prices of another machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from convprof import analysis, execution, fitting, planning, pricing, rewriting
from convprof.errors import PlanError
from convprof.execution import Sizes
from convprof.files import read_record, staged, write_text
from convprof.forms import FORMS
from convprof.holding import DEFAULT_BUDGET
from convprof.pipeline.deciding import NO_BUDGET, Decision, decide, planning_record, usual, with_front
from convprof.pipeline.job import Job
from convprof.pipeline.opening import ONE_THREAD, PLAN, PLANNING, judged_on, open_model, open_to_fit
from convprof.pipeline.proposing import choices, measurable, measured
from convprof.planning import Choice
from convprof.records.files import encode
from convprof.records.plan import Budget, Plan
from convprof.records.planning import Planning
from convprof.records.progress import Progress, silent
from convprof.reporting import render_planning
from convprof.runtime import RunOptions

_PAGE = "plan.html"


def plan(
    model: str | Path,
    run_dir: str | Path,
    *,
    calibration: str | None = None,
    evaluation: str | None = None,
    labels: str | None = None,
    metric: str | None = None,
    preprocess: str | None = None,
    budget: Budget = NO_BUDGET,
    edited: str | Path | None = None,
    forms: Sequence[str] = (),
    latency_table: str | Path | None = None,
    sweep: bool = False,
    measure: bool = False,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    options: RunOptions = ONE_THREAD,
    seed: int = 0,
    memory: int = DEFAULT_BUDGET,
    command: str = "convprof.plan(...)",
    progress: Progress = silent,
    timer: Callable[[], float] = time.perf_counter,
) -> Planning:
    """Choose what becomes of each conv within `budget`, or price the plan in the file `edited` anew.

    Leaves plan.json, planning.json, plan.html and what another budget can start from in `run_dir`; with `sweep` also
    plan-1.json, plan-2.json, ... from gentle to harsh. `latency_table` holds the prices of another machine. The rest
    is as in `optimize`.
    """
    final = Path(run_dir)
    with staged(final) as folder, TemporaryDirectory(prefix=".work-", dir=folder) as scratch:
        opened, batches = open_to_fit(Path(model), input_shapes, dims, calibration, preprocess, seed)
        judged = judged_on(opened, batches, evaluation, labels, preprocess, seed)
        before = analysis.analyze(opened, max_rank=0)
        convs = planning.select(before, only, skip)
        job = Job(
            opened, before, convs, batches, judged, metric, options, seed, memory, final, Path(scratch), progress, timer
        )
        asked = usual(job, budget)
        choice, damage = choices(
            job, forms or tuple(FORMS), asked, None if latency_table is None else Path(latency_table)
        )
        decision = decide(job, choice, asked) if edited is None else _edited(job, choice, Path(edited))
        if sweep:
            decision = with_front(job, choice, decision, measure)
        found = planning_record(decision, choice, damage.measure, command)
        write_text(folder / PLAN, encode(found.plan))
        write_text(folder / PLANNING, encode(found))
        write_text(folder / _PAGE, render_planning(found, "html"))
        for number, point in enumerate(found.front if sweep else (), 1):
            write_text(folder / f"plan-{number}.json", encode(point.plan))
    return found


def probe(
    model: str | Path,
    output: str | Path,
    *,
    forms: Sequence[str] = (),
    only: Collection[str] = (),
    skip: Collection[str] = (),
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
) -> None:
    """Pack what another machine needs to price the model's candidates, without convprof, into the zip at `output`."""
    opened, _ = open_model(Path(model), input_shapes, dims)
    before = analysis.analyze(opened, max_rank=0)
    convs = planning.select(before, only, skip)
    pricing.pack(
        opened, before, convs, forms or tuple(FORMS), execution.example_feeds(opened.inputs, seed), Path(output)
    )


def _edited(job: Job, choice: Choice, path: Path) -> Decision:
    """The plan that somebody has written or edited, with what is to be expected of it; raises PlanError."""
    wanted = read_record(path, Plan)
    if wanted.model.sha256 != job.opened.file.sha256:
        raise PlanError(str(path), f"it is a plan for {wanted.model.path}, another file", "plan for this model")
    fitting.in_order(rewriting.prepare(job.opened, wanted), wanted)
    repriced = planning.repriced(choice, wanted)
    return Decision(measured(job, repriced) if measurable(job, choice, repriced) else repriced)

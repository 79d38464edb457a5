"""The whole way from a model to a cheaper one with its report; `optimize` reads as the picture in ARCHITECTURE.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from convprof import (
    analysis,
    benchmarking,
    fitting,
    gates,
    judgement,
    layering,
    notices,
    planning,
    rewriting,
)
from convprof._version import __version__
from convprof.execution import Sizes
from convprof.files import keep_apart, staged, write_text
from convprof.forms import FORMS
from convprof.holding import DEFAULT_BUDGET
from convprof.pipeline.deciding import NO_BUDGET, carried_out, decide, planning_record, resumed, usual, with_front
from convprof.pipeline.job import Job, scores
from convprof.pipeline.opening import ONE_THREAD, PICTURES, PLAN, judged_on, open_to_fit
from convprof.pipeline.proposing import choices
from convprof.pipeline.recovering import Recovered, check, learns_labels, recover
from convprof.pipeline.rivals import int8, rival
from convprof.pipeline.steps import Watch, pictures, summaries
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.files import encode
from convprof.records.gates import Limits
from convprof.records.plan import Budget
from convprof.records.progress import Progress, silent
from convprof.records.run import Run
from convprof.records.tuning import Settings
from convprof.reporting import render_run
from convprof.runtime import RunOptions

_MODEL, _INT8, _REPORT, _PAGE = "model.onnx", "int8.onnx", "report.json", "report.html"


def optimize(
    model: str | Path,
    run_dir: str | Path,
    *,
    calibration: str | None = None,
    evaluation: str | None = None,
    labels: str | None = None,
    metric: str | None = None,
    preprocess: str | None = None,
    budget: Budget = NO_BUDGET,
    limits: Limits = gates.NO_LIMITS,
    forms: Sequence[str] = (),
    latency_table: str | Path | None = None,
    sweep: bool = False,
    measure: bool = False,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    iterations: int = 200,
    options: RunOptions = ONE_THREAD,
    seed: int = 0,
    memory: int = DEFAULT_BUDGET,
    resume: bool = False,
    tune: Settings | None = None,
    command: str = "convprof.optimize(...)",
    progress: Progress = silent,
    timer: Callable[[], float] = time.perf_counter,
) -> Run:
    """Analyse, price, plan, fit, rewrite, verify, bench and report; leave the new model and its papers in `run_dir`.

    Without a budget the plan is the fastest whose loss the verdict allows. Prices and damages are kept in `run_dir`:
    another budget starts from there. `limits` change nothing of the result: they are held against it, and what came of
    that is in `gates`. `memory` and `resume` are as in `rewrite`; the layers of a fit that was cut short
    lie in `run_dir`.fit. With `tune` the model is trained behind the fit, which needs torch; where that stands is kept
    in `run_dir`.tune; a recipe that learns from labels finds them in the calibration data, by the same name as in the
    evaluation data. `sweep` adds a row of plans from gentle to harsh, `measure` what each of them comes to.
    """
    final = Path(run_dir)
    keep_apart(final / _MODEL, [Path(model)])
    with ExitStack() as ends, staged(final) as folder, TemporaryDirectory(prefix=".work-", dir=folder) as scratch:
        watch = Watch(timer)
        learned = labels if tune is not None and learns_labels(tune) else None
        opened, batches = open_to_fit(Path(model), input_shapes, dims, calibration, preprocess, seed, learned)
        judged = judged_on(opened, batches, evaluation, labels, preprocess, seed)
        gates.check(limits, judged=judged is not None)
        if tune is not None:
            check(opened, batches, tune)
        before = analysis.analyze(opened, max_rank=4, progress=progress)
        convs = planning.select(before, only, skip)
        watch.stage("analyze")
        job = Job(
            opened, before, convs, batches, judged, metric, options, seed, memory, final, Path(scratch), progress, timer
        )
        asked = usual(job, budget)
        choice, damage = choices(
            job, forms or tuple(FORMS), asked, None if latency_table is None else Path(latency_table)
        )
        watch.stage("price and survey", batches)
        decision = (resumed(job, choice, asked) if resume else None) or decide(job, choice, asked)
        if sweep:
            decision = with_front(job, choice, decision, measure)
        plan = decision.plan
        watch.stage("plan")
        prepared = rewriting.prepare(opened, plan)
        kept = ends.enter_context(fitting.keep(final, prepared, plan, batches, options, seed, resume))
        done = carried_out(job, decision, folder / _MODEL, kept)
        watch.stage("fit and verify", batches)
        scored = scores(job, done)
        watch.stage("score by weights")
        better = Recovered(done)
        if tune is not None:
            better = recover(job, done, tune, resume, ends)
            watch.stage("tune", batches)
        done = better.conversion
        after = analysis.analyze(done.written, max_rank=0)
        fidelity = done.fidelity
        seen = pictures(opened, done.written, judged, fidelity, options) if judged and fidelity else None
        watch.stage("pictures")
        dense8 = int8(job, folder / _INT8)
        watch.stage("int8", batches)
        feeds = job.feeds()
        entrants = [(Path(each.file.path), each.file.sha256) for each in (opened, done.written)]
        if dense8.made:
            entrants.append((folder / _INT8, ""))
        benchmark = benchmarking.measure(
            entrants, [feeds] * len(entrants), options=options, iterations=iterations, seed=seed, progress=progress
        )
        benchmark = layering.profile(benchmark, (opened, done.written), before, feeds, options)
        watch.stage("bench")
        other = rival(job, dense8, done.written, benchmark)
        run = Run(
            schema="convprof.run/1",
            convprof=__version__,
            command=command,
            analysis=before,
            analysis_after=_at(after, final / _MODEL),
            plan=plan,
            fits=summaries(done.fitted),
            layers=layering.changes(before, after, benchmark),
            fidelity=fidelity,
            benchmark=_at_home(benchmark, final),
            stages=watch.stages,
            verdict=judgement.judge(before, after, fidelity, benchmark, other),
            notices=(
                *notices.of_fit(opened, batches, preprocess),
                *notices.of_judging(batches, evaluation, labels),
                *decision.remarks,
                *dense8.remarks,
                *kept.notices,
                *better.notices,
            ),
            planning=planning_record(decision, choice, damage.measure, command),
            rival=None if other is None else msgspec.structs.replace(other, path=str(final / _INT8)),
            scores=(*scored, *better.scores),
        )
        run = msgspec.structs.replace(run, gates=gates.of_run(run, limits))
        write_text(folder / PLAN, encode(plan))
        write_text(folder / _REPORT, encode(run))
        if seen is not None:
            write_text(folder / PICTURES, encode(seen))
        write_text(folder / _PAGE, render_run(run, "html", pictures=seen))
    return run


def _at(counted: Analysis, path: Path) -> Analysis:
    """The same analysis of a file that has been moved to `path`."""
    return msgspec.structs.replace(counted, model=msgspec.structs.replace(counted.model, path=str(path)))


def _at_home(benchmark: Benchmark, final: Path) -> Benchmark:
    """The same times, all models but the first under the paths that they will be found at."""
    first, *others = benchmark.models
    moved = [msgspec.structs.replace(each, path=str(final / Path(each.path).name)) for each in others]
    return msgspec.structs.replace(benchmark, models=(first, *moved))

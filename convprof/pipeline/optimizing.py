"""The whole way from a model to a cheaper one with its report; `optimize` reads as the picture in ARCHITECTURE.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from convprof import (
    analysis,
    benchmarking,
    execution,
    fitting,
    judgement,
    layering,
    notices,
    planning,
    rewriting,
    sensitivity,
)
from convprof._version import __version__
from convprof.execution import Sizes
from convprof.files import keep_apart, staged, write_text
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.pipeline.opening import ONE_THREAD, judged_on, open_to_fit
from convprof.pipeline.steps import Watch, compare, fit, summaries
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.files import encode
from convprof.records.progress import Progress, silent
from convprof.records.run import Run
from convprof.reporting import render_run
from convprof.runtime import RunOptions

DEFAULT_FORMS = ("depthwise-pointwise",)
_MODEL, _PLAN, _REPORT, _PAGE = "model.onnx", "plan.json", "report.json", "report.html"


def optimize(
    model: str | Path,
    run_dir: str | Path,
    *,
    calibration: str | None = None,
    evaluation: str | None = None,
    labels: str | None = None,
    metric: str | None = None,
    preprocess: str | None = None,
    target_macs: float = 0.5,
    forms: Sequence[str] = DEFAULT_FORMS,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    iterations: int = 200,
    options: RunOptions = ONE_THREAD,
    seed: int = 0,
    memory: int = DEFAULT_BUDGET,
    resume: bool = False,
    command: str = "convprof.optimize(...)",
    progress: Progress = silent,
    timer: Callable[[], float] = time.perf_counter,
) -> Run:
    """Analyse, plan, fit, rewrite, verify, bench and report; leave the new model and its papers in `run_dir`.

    `memory` and `resume` are as in `rewrite`; the layers of a fit that was cut short lie in `run_dir`.fit.
    """
    final = Path(run_dir)
    keep_apart(final / _MODEL, [Path(model)])
    with ExitStack() as ends, staged(final) as folder:
        watch = Watch(timer)
        opened, batches = open_to_fit(Path(model), input_shapes, dims, calibration, preprocess, seed)
        judged = judged_on(opened, batches, evaluation, labels, preprocess, seed)
        before = analysis.analyze(opened, max_rank=4, progress=progress)
        watch.stage("analyze")
        convs = planning.select(before, only, skip)
        planning.require_reachable(before, convs, forms, target_macs)
        names = {conv.name for conv in convs}
        surveyed = rewriting.fold(opened, names)
        with Store(memory, folder) as store:
            damage = sensitivity.survey(
                surveyed, names, forms, batches, options=options, seed=seed, store=store, progress=progress
            )
        watch.stage("survey", batches)
        plan = planning.solve(before, convs, damage, target_macs)
        watch.stage("plan")
        prepared = rewriting.prepare(opened, plan)
        kept = ends.enter_context(fitting.keep(final, prepared, plan, batches, options, seed, resume))
        fitted = fit(prepared, plan, batches, options, seed, Store(memory, folder), kept, progress)
        watch.stage("fit", batches)
        written = rewriting.rewrite(prepared, plan, fitted, folder / _MODEL)
        after = analysis.analyze(written, max_rank=0)
        watch.stage("rewrite")
        fidelity = None
        if judged is not None:
            fidelity = compare(opened, Path(model), folder / _MODEL, judged, metric, options, progress)
        watch.stage("verify", judged, fidelity.metric.after if fidelity and fidelity.metric else None)
        feeds = execution.first_feeds(opened, batches, seed)
        pair = [(Path(each.file.path), each.file.sha256) for each in (opened, written)]
        benchmark = benchmarking.measure(
            pair, [feeds, feeds], options=options, iterations=iterations, seed=seed, progress=progress
        )
        benchmark = layering.profile(benchmark, (opened, written), before, feeds, options)
        watch.stage("bench")
        run = Run(
            schema="convprof.run/1",
            convprof=__version__,
            command=command,
            analysis=before,
            analysis_after=_at(after, final / _MODEL),
            plan=plan,
            fits=summaries(fitted),
            layers=layering.changes(before, after, benchmark),
            fidelity=fidelity,
            benchmark=_renamed(benchmark, final / _MODEL),
            stages=watch.stages,
            verdict=judgement.judge(before, after, fidelity, benchmark),
            notices=(
                *notices.of_fit(opened, batches, preprocess),
                *notices.of_judging(batches, evaluation, labels),
                *kept.notices,
            ),
        )
        write_text(folder / _PLAN, encode(plan))
        write_text(folder / _REPORT, encode(run))
        write_text(folder / _PAGE, render_run(run, "html"))
    return run


def _at(counted: Analysis, path: Path) -> Analysis:
    """The same analysis of a file that has been moved to `path`."""
    return msgspec.structs.replace(counted, model=msgspec.structs.replace(counted.model, path=str(path)))


def _renamed(benchmark: Benchmark, path: Path) -> Benchmark:
    """The same times, the second model's under the path that it will be found at."""
    first, second = benchmark.models
    return msgspec.structs.replace(benchmark, models=(first, msgspec.structs.replace(second, path=str(path))))

"""The verbs of the command line as functions: each puts a few stages in order and returns a record.

`optimize` is the whole way and reads as the picture in ARCHITECTURE.md. Shapes are given as a mapping from input name
to sizes (`input_shapes`) or from symbolic size to number (`dims`); data as `convprof.data` describes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path

import msgspec

from convprof import (
    analysis,
    benchmarking,
    costing,
    execution,
    fitting,
    judgement,
    layering,
    notices,
    planning,
    rewriting,
    runtime,
    sensitivity,
    verification,
)
from convprof._version import __version__
from convprof.data import SYNTHETIC, Batches, open_data, synthetic_batches, takes_pictures
from convprof.errors import UsageError
from convprof.execution import Sizes
from convprof.files import keep_apart, read_record, staged, write_text
from convprof.graph import Model, declared_inputs
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.cost import Cost
from convprof.records.factors import FittedConv
from convprof.records.fidelity import Fidelity
from convprof.records.files import encode
from convprof.records.plan import Emission, Plan
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark
from convprof.records.run import FittedLayer, Rewriting, Run, Stage
from convprof.reporting import render_run
from convprof.runtime import RunOptions

DEFAULT_FORMS = ("depthwise-pointwise",)
_ONE_THREAD = RunOptions()
# The synthetic pictures that serve by default were not asked for: a model with a value of more elements (1 GiB of
# float32) for one input is not run for them.
_LARGEST_VALUE = 1 << 28
_MODEL, _PLAN, _REPORT, _PAGE = "model.onnx", "plan.json", "report.json", "report.html"


def analyze(
    model: str | Path,
    *,
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    max_rank: int = 4,
    progress: Progress = silent,
) -> Analysis:
    """Describe and count the model at `model`; `max_rank` ranks of each form are offered for every conv."""
    opened, _ = _open(Path(model), input_shapes, dims)
    return analysis.analyze(opened, max_rank=max_rank, progress=progress)


def rewrite(
    model: str | Path,
    output: str | Path,
    *,
    plan: str | Path | Plan | None = None,
    form: str | None = None,
    rank: Sequence[int] = (),
    emission: Emission | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    calibration: str | None = None,
    preprocess: str | None = None,
    init: str = "calibrated",
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    options: RunOptions = _ONE_THREAD,
    seed: int = 0,
    memory: int = DEFAULT_BUDGET,
    resume: bool = False,
    progress: Progress = silent,
) -> Rewriting:
    """Convert the layers of `plan` (or all that suit `form` at `rank`) and write the new model to `output`.

    The factors are fitted to the calibration data; without, to synthetic pictures where the model takes pictures. For
    other models, or with init="weights", they are fitted to the weights alone. The fit holds `memory` bytes of
    activations, what is more lies on disk beside the output. `resume` goes on with the layers that a fit that was cut
    short has left in `output`.fit.
    """
    if (plan is None) == (form is None):
        raise UsageError("rewrite", "it takes a plan, or a form with its rank", "give --plan or --form and --rank")
    keep_apart(Path(output), [Path(model)])
    opened, batches = _open_to_fit(Path(model), input_shapes, dims, calibration, preprocess, seed)
    counted = analysis.analyze(opened, max_rank=0)
    remarks = list(opened.notices)
    if plan is not None:
        chosen = plan if isinstance(plan, Plan) else read_record(Path(plan), Plan)
        if chosen.model.sha256 != opened.file.sha256:
            remarks.append(Remark("plan-for-another-file", f"the plan was made for {chosen.model.path}, another file"))
    else:
        convs = planning.select(counted, only, skip)
        chosen = planning.uniform(counted, convs, form or "", tuple(rank), emission)
        if (chosen.predicted.macs or 0) >= counted.totals.macs:
            remarks.append(notices.NO_FEWER_MACS)
    seen = None if init == "weights" else batches
    remarks += notices.of_fit(opened, seen, preprocess)
    prepared = rewriting.prepare(opened, chosen)
    with ExitStack() as ends, staged(Path(output).parent) as folder:
        kept = ends.enter_context(fitting.keep(Path(output), prepared, chosen, seen, options, seed, resume))
        fitted = _fit(prepared, chosen, seen, options, seed, Store(memory, folder), kept, progress)
        rewriting.rewrite(prepared, chosen, fitted, folder / Path(output).name)
    remarks += kept.notices
    return Rewriting(str(output), chosen, _summaries(fitted), tuple(remarks))


def verify(
    model: str | Path,
    converted: str | Path,
    data: str,
    *,
    labels: str | None = None,
    metric: str | None = None,
    preprocess: str | None = None,
    options: RunOptions = _ONE_THREAD,
    progress: Progress = silent,
) -> Fidelity:
    """Compare two models on data: every output, and with labels the metric before and after."""
    loaded = execution.load(Path(model))
    batches = open_data(data, loaded.inputs, preprocess=preprocess, labels=labels)
    before = execution.settle(loaded, {}, {}, batches.shapes)
    return _compare(before, Path(model), Path(converted), batches, metric, options, progress)


def bench(
    models: Sequence[str | Path],
    *,
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    warmup: int = 5,
    iterations: int | None = 100,
    duration: float | None = None,
    options: RunOptions = _ONE_THREAD,
    seed: int = 0,
    progress: Progress = silent,
) -> Benchmark:
    """Time the models interleaved in one process, on random inputs, and compare the first with every other."""
    opened = [_open(Path(model), input_shapes, dims)[0] for model in models]
    return benchmarking.measure(
        [(Path(model.file.path), model.file.sha256) for model in opened],
        [execution.example_feeds(model.inputs, seed) for model in opened],
        options=options,
        warmup=warmup,
        iterations=iterations,
        duration=duration,
        seed=seed,
        progress=progress,
    )


def cost(
    input_shape: Sequence[int],
    kernel: Sequence[int],
    filters: int,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    rank: int = 1,
) -> Cost:
    """MACs and parameters of a conv on an input of (height, width, channels), dense and separable; no model needed."""
    return costing.cost(input_shape, kernel, filters, stride=stride, padding=padding, dilation=dilation, rank=rank)


def report(run_dir: str | Path, output_format: str = "table", *, color: bool = False, width: int = 120) -> str:
    """The run in `run_dir` as text in one of `convprof.reporting.RUN_FORMATS`; colour and width are the terminal's."""
    return render_run(read_record(Path(run_dir) / _REPORT, Run), output_format, color=color, width=width)


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
    options: RunOptions = _ONE_THREAD,
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
        watch = _Watch(timer)
        opened, batches = _open_to_fit(Path(model), input_shapes, dims, calibration, preprocess, seed)
        judged = _judged_on(opened, batches, evaluation, labels, preprocess, seed)
        before = analysis.analyze(opened, max_rank=4, progress=progress)
        watch.stage("analyze")
        convs = planning.select(before, only, skip)
        planning.require_reachable(before, convs, forms, target_macs)
        names = {conv.name for conv in convs}
        surveyed = rewriting.fold(opened, names)
        with Store(memory, folder) as store:
            offers = planning.offers(convs, forms)
            damage = sensitivity.survey(
                surveyed, offers, batches, options=options, seed=seed, store=store, progress=progress
            )
        watch.stage("survey", batches)
        plan = planning.solve(before, convs, damage, target_macs)
        watch.stage("plan")
        prepared = rewriting.prepare(opened, plan)
        kept = ends.enter_context(fitting.keep(final, prepared, plan, batches, options, seed, resume))
        fitted = _fit(prepared, plan, batches, options, seed, Store(memory, folder), kept, progress)
        watch.stage("fit", batches)
        written = rewriting.rewrite(prepared, plan, fitted, folder / _MODEL)
        after = analysis.analyze(written, max_rank=0)
        watch.stage("rewrite")
        fidelity = None
        if judged is not None:
            fidelity = _compare(opened, Path(model), folder / _MODEL, judged, metric, options, progress)
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
            fits=_summaries(fitted),
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


class _Watch:
    """Notes how long each stage took."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._last = timer()
        self.stages: tuple[Stage, ...] = ()

    def stage(self, name: str, batches: Batches | None = None, score: float | None = None) -> None:
        """End the stage called `name`."""
        now = self._timer()
        self.stages += (Stage(name, score, now - self._last, batches.count if batches else None),)
        self._last = now


def _open(
    path: Path,
    input_shapes: Sizes | None,
    dims: Mapping[str, int] | None,
    data: str | None = None,
    preprocess: str | None = None,
) -> tuple[Model, Batches | None]:
    """The model at concrete shapes, and the data that goes with it if any; the data settles sizes left open."""
    loaded = execution.load(path)
    batches = None if data is None else open_data(data, loaded.inputs, preprocess=preprocess)
    return execution.settle(loaded, input_shapes or {}, dims or {}, batches.shapes if batches else {}), batches


def _open_to_fit(
    path: Path,
    input_shapes: Sizes | None,
    dims: Mapping[str, int] | None,
    calibration: str | None,
    preprocess: str | None,
    seed: int,
) -> tuple[Model, Batches | None]:
    """The model, and what to fit it to: the data; without, synthetic pictures where it takes pictures."""
    if calibration not in (None, SYNTHETIC):
        return _open(path, input_shapes, dims, calibration, preprocess)
    opened, _ = _open(path, input_shapes, dims)
    if calibration is None:
        largest = max(map(prod, opened.shapes.values()), default=0)
        if largest > _LARGEST_VALUE or not takes_pictures(opened.inputs, preprocess):
            return opened, None
    return opened, synthetic_batches(opened.inputs, preprocess, seed)


def _judged_on(
    opened: Model,
    calibration: Batches | None,
    evaluation: str | None,
    labels: str | None,
    preprocess: str | None,
    seed: int,
) -> Batches | None:
    """The data to compare the outputs on: of synthetic pictures never those of the fit."""
    if evaluation is not None:
        declared = declared_inputs(opened.program)
        return open_data(evaluation, declared, preprocess=preprocess, labels=labels)
    if labels is not None:
        raise UsageError("--labels", "labels belong to evaluation data, and there is none", "give --eval DATA too")
    return synthetic_batches(opened.inputs, preprocess, seed + 1) if notices.is_synthetic(calibration) else calibration


def _fit(
    prepared: Model,
    plan: Plan,
    batches: Batches | None,
    options: RunOptions,
    seed: int,
    store: Store,
    kept: fitting.KeptLayers,
    progress: Progress,
) -> tuple[FittedConv, ...]:
    if batches is None:
        return fitting.factor(prepared, plan)
    with store:
        return fitting.fit(
            prepared, plan, batches, options=options, seed=seed, store=store, kept=kept, progress=progress
        )


def _summaries(fitted: Sequence[FittedConv]) -> tuple[FittedLayer, ...]:
    return tuple(FittedLayer(f.name, f.form, f.rank, f.error, f.error_weights, f.model_error, f.recipe) for f in fitted)


def _compare(
    before: Model,
    original: Path,
    converted: Path,
    batches: Batches,
    metric: str | None,
    options: RunOptions,
    progress: Progress,
) -> Fidelity:
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


def _at(counted: Analysis, path: Path) -> Analysis:
    """The same analysis of a file that has been moved to `path`."""
    return msgspec.structs.replace(counted, model=msgspec.structs.replace(counted.model, path=str(path)))


def _renamed(benchmark: Benchmark, path: Path) -> Benchmark:
    """The same times, the second model's under the path that it will be found at."""
    first, second = benchmark.models
    return msgspec.structs.replace(benchmark, models=(first, msgspec.structs.replace(second, path=str(path))))

"""The verbs that look at models and change none: analyze, verify, bench, cost, compare, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from convprof import (
    analysis,
    benchmarking,
    comparing,
    costing,
    crosschecking,
    execution,
    gates,
)
from convprof.data import open_data
from convprof.execution import Sizes
from convprof.files import read_record
from convprof.pipeline import steps
from convprof.pipeline.opening import ONE_THREAD, PICTURES, PLANNING, open_model
from convprof.records.analysis import Analysis, TensorSpec
from convprof.records.benchmark import Benchmark
from convprof.records.comparison import RunComparison
from convprof.records.cost import Cost
from convprof.records.fidelity import Fidelity
from convprof.records.gates import Limits
from convprof.records.pictures import Pictures
from convprof.records.planning import Planning
from convprof.records.progress import Progress, silent
from convprof.records.run import Run
from convprof.reporting import render_planning, render_run
from convprof.reporting.nodes import render_nodes
from convprof.runtime import RunOptions

_REPORT = "report.json"
_NODES = "model-explorer"
_LONGEST = 60.0
"""Seconds after which a ratio that is still not known well enough is left at that."""


def analyze(
    model: str | Path,
    *,
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    max_rank: int = 4,
    cross_check: bool = False,
    progress: Progress = silent,
) -> Analysis:
    """Describe and count the model at `model`; `max_rank` ranks of each form are offered for every conv.

    With `cross_check` fvcore counts it as well, which needs the extra `tune`; raises MissingError without it, and
    ModelError where torch cannot run the model or fvcore cannot count it.
    """
    opened, _ = open_model(Path(model), input_shapes, dims)
    checked = crosschecking.cross_check(opened) if cross_check else None
    return replace(analysis.analyze(opened, max_rank=max_rank, progress=progress), cross_check=checked)


def verify(
    model: str | Path,
    converted: str | Path,
    data: str,
    *,
    labels: str | None = None,
    metric: str | None = None,
    preprocess: str | None = None,
    limits: Limits = gates.NO_LIMITS,
    options: RunOptions = ONE_THREAD,
    progress: Progress = silent,
) -> Fidelity:
    """Compare two models on data: every output, and with labels the metric before and after.

    `limits` name what is held against them, but for `slower_than`, for nothing is timed; what came of it is in `gates`.
    """
    gates.check(limits, timed=False)
    loaded = execution.load(Path(model))
    batches = open_data(data, loaded.inputs, preprocess=preprocess, labels=labels)
    before = execution.settle(loaded, {}, {}, batches.shapes)
    fidelity = steps.compare(before, Path(model), Path(converted), batches, metric, options, progress)
    held = gates.of_fidelity(fidelity, limits)
    if gates.on_sizes(limits):
        after = execution.settle(execution.load(Path(converted)), {}, {}, batches.shapes)
        one, other = (analysis.analyze(each, max_rank=0).totals for each in (before, after))
        held += gates.of_sizes(one, other, limits)
    return replace(fidelity, gates=held)


def bench(
    models: Sequence[str | Path],
    *,
    input_shapes: Sizes | None = None,
    dims: Mapping[str, int] | None = None,
    warmup: int = 5,
    iterations: int | None = 100,
    duration: float | None = None,
    interval_width: float | None = None,
    processes: int = 1,
    floor: bool = True,
    limits: Limits = gates.NO_LIMITS,
    batches: Sequence[int] = (),
    options: RunOptions = ONE_THREAD,
    seed: int = 0,
    command: str = "convprof.bench(...)",
    progress: Progress = silent,
) -> Benchmark:
    """Time the models interleaved, on random inputs, and compare the first with every other.

    `duration` in seconds stands instead of `iterations`. With an `interval_width` (0.02 is 2 %), `iterations` do not
    count either: rounds are taken until every ratio is known that well, for `duration` or 60 seconds at most. All of
    that is for each of the `processes`. With `floor` the first model is timed against itself as well. Every model is
    held against `limits`, which name a `slower_than` and nothing else; what came of it is in `gates`. At each of the
    `batches` all of it is measured once more, for `throughput`.

    Raises UsageError for numbers that leave nothing to measure, for other limits and for batches that a model does not
    take, and ModelError where a model cannot be opened or run.
    """
    gates.check(limits, judged=False, timed=len(models) > 1, counted=False)
    opened = [open_model(Path(model), input_shapes, dims)[0] for model in models]
    own = [model.inputs for model in opened]
    inputs = {batch: [execution.at_batch(model, batch) for model in opened] for batch in batches}

    def measured(inputs: Sequence[Sequence[TensorSpec]]) -> Benchmark:
        return benchmarking.measure(
            [(Path(model.file.path), model.file.sha256) for model in opened],
            [execution.example_feeds(specs, seed) for specs in inputs],
            options=options,
            warmup=warmup,
            iterations=iterations,
            duration=_LONGEST if duration is None and interval_width is not None else duration,
            interval_width=interval_width,
            processes=processes,
            floor=floor,
            settle=True,
            seed=seed,
            progress=progress,
        )

    benchmark = measured(own)
    throughput = [
        benchmarking.throughput(benchmark, benchmark if specs == own else measured(specs), batch, seed=seed)
        for batch, specs in inputs.items()
    ]
    benchmark = replace(benchmark, throughput=tuple(throughput), command=command)
    return replace(benchmark, gates=gates.of_times(benchmark, limits))


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


def compare(first: str | Path, second: str | Path, *, limits: Limits = gates.NO_LIMITS) -> RunComparison:
    """What changed from one run of `optimize` to another: each is the run's folder, or a report.json.

    `limits` are held against the second run's model beside the first's; what came of it is in `gates`.

    Raises DataError where there is no run, and where the runs are of models that share no convolution.
    """
    gates.check(limits)
    runs = [read_record(_report_of(Path(place)), Run) for place in (first, second)]
    found = comparing.compare(runs[0], runs[1], (str(first), str(second)))
    return replace(found, gates=gates.between(found, runs[0], runs[1], limits))


def report(
    run_dir: str | Path,
    output_format: str = "table",
    *,
    color: bool = False,
    width: int = 120,
    figure: str = "macs",
    graph: str = "original",
) -> str:
    """The run or the plan in `run_dir` as text in one of `convprof.reporting.PAGE_FORMATS`.

    As "model-explorer" a run becomes node data for that program: one of `convprof.reporting.nodes.NODE_FIGURES` for
    every conv of one of `GRAPHS` there. As html it shows pictures.json, where that is of the run. `color` and `width`
    are the terminal's. Raises DataError where there is neither run nor plan.
    """
    if output_format == _NODES:
        return render_nodes(read_record(Path(run_dir) / _REPORT, Run), figure, graph)
    planned = Path(run_dir) / PLANNING
    if planned.exists() and not (Path(run_dir) / _REPORT).exists():
        return render_planning(read_record(planned, Planning), output_format, color=color, width=width)
    run = read_record(Path(run_dir) / _REPORT, Run)
    pictures = _pictures(run, Path(run_dir)) if output_format == "html" else None
    return render_run(run, output_format, color=color, width=width, pictures=pictures)


def _pictures(run: Run, folder: Path) -> Pictures | None:
    """The pictures of the run's own model; what an earlier run has left there is of another."""
    if not (folder / PICTURES).exists():
        return None
    found = read_record(folder / PICTURES, Pictures)
    return found if found.converted == run.analysis_after.model.sha256 else None


def _report_of(place: Path) -> Path:
    return place if place.is_file() else place / _REPORT

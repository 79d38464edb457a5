"""The page of a benchmark: which model is faster, and where that was measured."""

from __future__ import annotations

from convprof.records.benchmark import Benchmark
from convprof.reporting.charts.times import times
from convprof.reporting.outcome import model_name
from convprof.reporting.pages.frame import Head, page, sections
from convprof.reporting.views import benchmark as benchmark_view
from convprof.reporting.views import environment as environment_view
from convprof.reporting.views import gates as gates_view
from convprof.reporting.views import speeds as speeds_view


def render(benchmark: Benchmark) -> str:
    """The page of a benchmark as HTML."""
    first = model_name(benchmark, 0)
    throughput = ("Throughput",) if benchmark.throughput else ()
    return page(
        "benchmark.html",
        head=Head(
            title=f"convprof bench: {first}",
            brand=f"convprof {benchmark.environment.convprof}, bench",
            model=first,
            worth_it=False,
            judgement="",
            verdict=speeds_view.summary(benchmark),
            figures=speeds_view.figures(benchmark),
            sections=sections("Speed", *throughput, "Run"),
            remarks=benchmark_view.remarks(benchmark),
            limits=gates_view.table(benchmark.gates),
        ),
        times=times(benchmark),
        models=benchmark_view.models(benchmark),
        comparisons=benchmark_view.comparisons(benchmark),
        floor=benchmark.floor is not None,
        throughput=benchmark_view.throughput(benchmark),
        environment=(*environment_view.environment(benchmark), *benchmark_view.rounds(benchmark)),
        command=benchmark.command,
        files=tuple((each.path, each.sha256) for each in benchmark.models),
    )

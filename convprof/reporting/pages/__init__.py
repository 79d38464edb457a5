"""Records as one self-contained page each: no network, no foreign markup, one script. One file a page."""

from __future__ import annotations

from collections.abc import Callable

from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.planning import Planning
from convprof.records.run import Run
from convprof.reporting.pages import analysis, benchmark, planning, run

PAGES: dict[type, Callable[..., str]] = {
    Run: run.render,
    Planning: planning.render,
    Analysis: analysis.render,
    Benchmark: benchmark.render,
}

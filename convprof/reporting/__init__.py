"""Records to text: html, markdown, json, csv and the terminal.

Two literal tables say which formats there are. A renderer, and with it rich or jinja2, is imported when it is first
used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from convprof.errors import UsageError
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.comparison import RunComparison
from convprof.records.cost import Cost
from convprof.records.fidelity import Fidelity
from convprof.records.pictures import Pictures
from convprof.records.plan import Plan
from convprof.records.planning import Planning
from convprof.records.run import Run
from convprof.records.tuning import Tuning
from convprof.reporting.document import Document, Sheet

__all__ = [
    "FORMATS",
    "PAGE_FORMATS",
    "render_analysis",
    "render_benchmark",
    "render_comparison",
    "render_cost",
    "render_fidelity",
    "render_plan",
    "render_planning",
    "render_run",
    "render_tuning",
]

WIDTH = 100
R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True)
class _Request(Generic[R]):
    """A record, the ways to see it, what the terminal can show, and what only a page shows beside the record."""

    record: R
    document: Callable[[R], Document]
    sheet: Callable[[R], Sheet]
    color: bool
    width: int
    beside: tuple[msgspec.Struct | None, ...] = ()


def render_run(
    run: Run, output_format: str, *, color: bool = False, width: int = WIDTH, pictures: Pictures | None = None
) -> str:
    """The story of a run in one of PAGE_FORMATS; the page shows the `pictures`, which may come from a stranger's file.

    Raises DataError where they are not what convprof writes.
    """
    from convprof.reporting.views import run as view

    return _render(_Request(run, view.document, view.sheet, color, width, (pictures,)), output_format, PAGE_FORMATS)


def render_analysis(analysis: Analysis, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """What a model holds and costs in one of PAGE_FORMATS."""
    from convprof.reporting.views import analysis as view

    return _render(_Request(analysis, view.document, view.sheet, color, width), output_format, PAGE_FORMATS)


def render_cost(cost: Cost, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """The arithmetic of one convolution in one of FORMATS."""
    from convprof.reporting.views import cost as view

    return _render(_Request(cost, view.document, view.sheet, color, width), output_format, FORMATS)


def render_plan(plan: Plan, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """What becomes what in one of FORMATS."""
    from convprof.reporting.views import plan as view

    return _render(_Request(plan, view.document, view.sheet, color, width), output_format, FORMATS)


def render_planning(planning: Planning, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """What becomes what, what to expect of it and what it was chosen from, in one of PAGE_FORMATS."""
    from convprof.reporting.views import planning as view

    return _render(_Request(planning, view.document, view.sheet, color, width), output_format, PAGE_FORMATS)


def render_fidelity(fidelity: Fidelity, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """How close two models are in one of FORMATS."""
    from convprof.reporting.views import fidelity as view

    return _render(_Request(fidelity, view.document, view.sheet, color, width), output_format, FORMATS)


def render_benchmark(benchmark: Benchmark, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """How fast models are in one of PAGE_FORMATS."""
    from convprof.reporting.views import benchmark as view

    return _render(_Request(benchmark, view.document, view.sheet, color, width), output_format, PAGE_FORMATS)


def render_comparison(found: RunComparison, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """What changed between two runs in one of FORMATS."""
    from convprof.reporting.views import comparison as view

    return _render(_Request(found, view.document, view.sheet, color, width), output_format, FORMATS)


def render_tuning(tuning: Tuning, output_format: str, *, color: bool = False, width: int = WIDTH) -> str:
    """How a model was trained and what that gained, in one of FORMATS."""
    from convprof.reporting.views import tuning as view

    return _render(_Request(tuning, view.document, view.sheet, color, width), output_format, FORMATS)


def _render(request: _Request[R], output_format: str, formats: Mapping[str, Callable[[_Request[R]], str]]) -> str:
    if output_format not in formats:
        raise UsageError("format", f"{output_format!r} is not known here", f"choose one of {', '.join(formats)}")
    return formats[output_format](request)


def _table(request: _Request[Any]) -> str:
    from convprof.reporting import terminal

    return terminal.render(request.document(request.record), color=request.color, width=request.width)


def _markdown(request: _Request[Any]) -> str:
    from convprof.reporting import markdown

    return markdown.render(request.document(request.record))


def _csv(request: _Request[Any]) -> str:
    from convprof.reporting import sheets

    return sheets.render(request.sheet(request.record))


def _json(request: _Request[Any]) -> str:
    from convprof.records import files

    return files.encode(request.record)


def _html(request: _Request[Any]) -> str:
    from convprof.reporting.pages import PAGES

    return PAGES[type(request.record)](request.record, *request.beside)


FORMATS: dict[str, Callable[[_Request[Any]], str]] = {
    "table": _table,
    "json": _json,
    "csv": _csv,
    "markdown": _markdown,
}
PAGE_FORMATS: dict[str, Callable[[_Request[Any]], str]] = {
    "html": _html,
    "markdown": _markdown,
    "json": _json,
    "csv": _csv,
    "table": _table,
}

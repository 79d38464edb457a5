"""Runs, plans, analyses and benchmarks as one self-contained page each: no network, no foreign markup, one script.

The script sorts tables. The page allows it by its hash and no other, so that a name that gets through still runs
nothing; without it the tables stay as they are.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.fidelity import Fidelity
from convprof.records.pictures import Pictures
from convprof.records.planning import Planning
from convprof.records.run import Rival, Run
from convprof.reporting import expectation, scores, wording
from convprof.reporting.charts.bars import latency, macs
from convprof.reporting.charts.drift import drift
from convprof.reporting.charts.energy import energies
from convprof.reporting.charts.errors import errors
from convprof.reporting.charts.front import fronts
from convprof.reporting.charts.scatter import Scatter
from convprof.reporting.charts.shares import shares
from convprof.reporting.charts.stages import stages as scores_chart
from convprof.reporting.charts.times import times
from convprof.reporting.document import Table
from convprof.reporting.escaping import shortened, visible
from convprof.reporting.front import loss, points
from convprof.reporting.gallery import gallery
from convprof.reporting.layers import layers
from convprof.reporting.outcome import Figure, figures, judgement, model_name
from convprof.reporting.views import analysis as analysis_view
from convprof.reporting.views import benchmark as benchmark_view
from convprof.reporting.views import environment as environment_view
from convprof.reporting.views import fidelity as fidelity_view
from convprof.reporting.views import gates as gates_view
from convprof.reporting.views import planning as planning_view
from convprof.reporting.views import prospects as prospects_view
from convprof.reporting.views import rival as rival_view
from convprof.reporting.views import run as run_view
from convprof.reporting.views import speeds as speeds_view

_LABELS = {
    "Run": "The run",
    "Rivals": "The plan and its rivals",
    "First": "What to convert first",
    "Model": "The model",
}

_PARTS = re.compile(r"(?<=[/_])(?=[^/_])|(?<=\.)(?=.*[./])")
_TEMPLATES = PackageLoader("convprof.reporting", "templates")


@dataclass(frozen=True)
class Section:
    """One entry of the page's list of contents."""

    anchor: str
    label: str


@dataclass(frozen=True)
class Script:
    """The text of the page's only script, and the source expression that allows just this text."""

    text: Markup
    source: str


@dataclass(frozen=True)
class Head:
    """The top of a page: the verdict, the figures to read from afar, what to mind.

    Where nothing was judged, `judgement` is empty and `verdict` a sentence that sums up.
    """

    title: str
    brand: str
    model: str
    worth_it: bool
    judgement: str
    verdict: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    remarks: tuple[str, ...]
    limits: Table | None = None


@dataclass(frozen=True)
class Rivals:
    """What a plan was chosen from."""

    fronts: tuple[Scatter, ...]
    front: Table
    rounds: Table
    checks: Table
    notes: tuple[str, ...]


def render(run: Run, pictures: Pictures | None = None) -> str:
    """The report of `run` as HTML, with `pictures` of its outputs; raises DataError where they are none."""
    found = layers(run)
    planning = run.planning
    return _page(
        "report.html",
        head=Head(
            title=f"convprof: {run.analysis.model.path}",
            brand=f"convprof {run.convprof}",
            model=run.analysis.model.path,
            worth_it=run.verdict.worth_it,
            judgement=judgement(run),
            verdict=run.verdict.text,
            figures=figures(run),
            sections=_sections(
                "Speed",
                "Quality",
                *(("Pictures",) if pictures else ()),
                "Work",
                "Kernels",
                "Layers",
                *(("Rivals",) if planning else ()),
                "Run",
            ),
            remarks=run_view.remarks(run),
            limits=gates_view.table(run.gates) if run.gates else None,
        ),
        run=run,
        times=times(run.benchmark),
        latency=latency(found),
        macs=macs(found),
        errors=errors(run.fits),
        drift=drift(run.fits),
        energies=energies(run.analysis),
        models=benchmark_view.models(run.benchmark),
        comparisons=benchmark_view.comparisons(run.benchmark),
        outputs=fidelity_view.outputs(run.fidelity) if run.fidelity else None,
        samples=fidelity_view.samples(run.fidelity) if run.fidelity else None,
        scores=scores.table(run.scores),
        scored=scores_chart(run.scores),
        gallery=gallery(pictures) if pictures else None,
        metric=fidelity_view.metric_line(run.fidelity.metric) if run.fidelity else None,
        plan_facts=(*run_view.planned(run), *run_view.fitted(run.fits)),
        layer_table=run_view.layer_table(run),
        kept=tuple(each for each in found if each.reason),
        beside=rival_view.table(run),
        rivals=_rivals(planning, run.fidelity, run.rival) if planning else None,
        stages=run_view.stages(run.stages),
        environment=environment_view.environment(run.benchmark),
        convention=wording.CONVENTION,
    )


def render_planning(planning: Planning) -> str:
    """The page of a plan as HTML."""
    plan = planning.plan
    kept = ("Kept",) if plan.kept else ()
    return _page(
        "plan.html",
        head=Head(
            title=f"convprof plan: {plan.model.path}",
            brand=f"convprof {planning.convprof}, plan",
            model=plan.model.path,
            worth_it=planning.worth_it and bool(plan.layers),
            judgement=expectation.judgement(planning),
            verdict=f"{expectation.because(planning)}.",
            figures=expectation.figures(planning),
            sections=_sections("Plan", *kept, "Rivals", "Run"),
            remarks=planning_view.cautions(planning),
        ),
        plan_facts=planning_view.facts(planning),
        layer_table=planning_view.layers(planning),
        kept=plan.kept,
        rivals=_rivals(planning),
        command=planning.command,
        sha256=plan.model.sha256,
        convention=wording.CONVENTION,
    )


def render_analysis(analysis: Analysis) -> str:
    """The page of one model as HTML."""
    return _page(
        "analysis.html",
        head=Head(
            title=f"convprof analysis: {analysis.model.path}",
            brand=f"convprof {analysis.convprof}, analysis",
            model=analysis.model.path,
            worth_it=False,
            judgement="",
            verdict=prospects_view.summary(analysis),
            figures=prospects_view.figures(analysis),
            sections=_sections("First", "Work", "Forms", "Kernels", "Layers", "Model"),
            remarks=analysis_view.remarks(analysis),
        ),
        first=prospects_view.first(analysis),
        reading=prospects_view.READING,
        shares=shares(analysis),
        forms=analysis_view.forms(analysis),
        energies=energies(analysis),
        layer_table=analysis_view.costs(analysis),
        refused=tuple(conv for conv in analysis.convs if conv.reason),
        model_facts=analysis_view.facts(analysis),
        uncounted=analysis_view.uncounted(analysis),
        sha256=analysis.model.sha256,
        convention=wording.CONVENTION,
    )


def render_benchmark(benchmark: Benchmark) -> str:
    """The page of a benchmark as HTML."""
    first = model_name(benchmark, 0)
    throughput = ("Throughput",) if benchmark.throughput else ()
    limits = ("Limits",) if benchmark.gates else ()
    return _page(
        "benchmark.html",
        head=Head(
            title=f"convprof bench: {first}",
            brand=f"convprof {benchmark.environment.convprof}, bench",
            model=first,
            worth_it=False,
            judgement="",
            verdict=speeds_view.summary(benchmark),
            figures=speeds_view.figures(benchmark),
            sections=_sections("Speed", *throughput, *limits, "Run"),
            remarks=benchmark_view.remarks(benchmark),
        ),
        times=times(benchmark),
        models=benchmark_view.models(benchmark),
        comparisons=benchmark_view.comparisons(benchmark),
        throughput=benchmark_view.throughput(benchmark),
        gates=gates_view.table(benchmark.gates),
        environment=(*environment_view.environment(benchmark), *benchmark_view.rounds(benchmark)),
        command=benchmark.command,
        files=tuple((each.path, each.sha256) for each in benchmark.models),
    )


def _page(template: str, **values: object) -> str:
    environment = _environment()
    return environment.get_template(template).render(script=_script(environment), **values)


def _script(environment: Environment) -> Script:
    text, *_ = _TEMPLATES.get_source(environment, "sort.js")
    digest = b64encode(sha256(text.encode()).digest()).decode()
    return Script(Markup(text), f"sha256-{digest}")


def _sections(*names: str) -> tuple[Section, ...]:
    """The anchor of a section is its name in small letters."""
    return tuple(Section(name.lower(), _LABELS.get(name, name)) for name in names)


def _rivals(planning: Planning, fidelity: Fidelity | None = None, rival: Rival | None = None) -> Rivals:
    references = () if rival is None else (rival_view.reference(rival),)
    drawn = fronts(points(planning, fidelity), planning.measure, loss(planning, fidelity), references)
    return Rivals(
        fronts=drawn,
        front=planning_view.front(planning, fidelity),
        rounds=planning_view.rounds(planning, fidelity),
        checks=planning_view.checks(planning.prices),
        notes=planning_view.conventions(planning),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=_TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["name"] = _name
    environment.filters["shortened"] = shortened
    return environment


def _name(text: str) -> Markup:
    """A name, shortened, whose lines break behind what separates its parts: not within a word or before an ending."""
    return Markup("<wbr>").join(_PARTS.split(shortened(text)))


def _shown(value: object) -> object:
    """What any expression of a template prints: names made visible, and never a None for a number."""
    if value is None:
        raise ValueError("the template prints a value that is not known")
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


PAGES: dict[type, Callable[..., str]] = {
    Run: render,
    Planning: render_planning,
    Analysis: render_analysis,
    Benchmark: render_benchmark,
}

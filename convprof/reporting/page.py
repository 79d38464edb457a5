"""A run as one self-contained page: no script, no network, nothing from a model file that is read as markup."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from convprof.records.run import Run
from convprof.reporting import wording
from convprof.reporting.charts.bars import latency, macs
from convprof.reporting.charts.drift import drift
from convprof.reporting.charts.energy import energies
from convprof.reporting.charts.errors import errors
from convprof.reporting.charts.times import times
from convprof.reporting.escaping import visible
from convprof.reporting.layers import layers
from convprof.reporting.outcome import figures, judgement
from convprof.reporting.views import benchmark as benchmark_view
from convprof.reporting.views import fidelity as fidelity_view
from convprof.reporting.views import plan as plan_view
from convprof.reporting.views import run as run_view


def render(run: Run) -> str:
    """The report of `run` as HTML."""
    found = layers(run)
    return (
        _environment()
        .get_template("report.html")
        .render(
            run=run,
            judgement=judgement(run),
            figures=figures(run),
            remarks=run_view.remarks(run),
            times=times(run.benchmark),
            latency=latency(found),
            macs=macs(found),
            errors=errors(run.fits),
            drift=drift(run.fits),
            energies=energies(run.analysis),
            models=benchmark_view.models(run.benchmark),
            comparisons=benchmark_view.comparisons(run.benchmark),
            outputs=fidelity_view.outputs(run.fidelity) if run.fidelity else None,
            metric=fidelity_view.metric_line(run.fidelity.metric) if run.fidelity else None,
            plan_facts=(*plan_view.facts(run.plan), *run_view.fitted(run.fits)),
            layer_table=run_view.layer_table(run),
            kept=tuple(each for each in found if each.reason),
            stages=run_view.stages(run.stages),
            environment=benchmark_view.environment(run.benchmark.environment),
            convention=wording.CONVENTION,
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("convprof.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: object) -> object:
    """What any expression of a template prints: names made visible, and never a None for a number."""
    if value is None:
        raise ValueError("the template prints a value that is not known")
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

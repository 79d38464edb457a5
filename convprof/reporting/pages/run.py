"""The page of a run: the verdict, then what it rests on, and how to come to it again."""

from __future__ import annotations

from convprof.records.pictures import Pictures
from convprof.records.run import Run
from convprof.reporting import scores, wording
from convprof.reporting.charts.bars import latency, macs
from convprof.reporting.charts.drift import drift
from convprof.reporting.charts.energy import energies
from convprof.reporting.charts.errors import errors
from convprof.reporting.charts.stages import stages as scores_chart
from convprof.reporting.charts.times import times
from convprof.reporting.gallery import gallery
from convprof.reporting.layers import layers
from convprof.reporting.outcome import figures, judgement
from convprof.reporting.pages.frame import Head, page, sections
from convprof.reporting.pages.rivals import rivals
from convprof.reporting.views import benchmark as benchmark_view
from convprof.reporting.views import environment as environment_view
from convprof.reporting.views import fidelity as fidelity_view
from convprof.reporting.views import gates as gates_view
from convprof.reporting.views import rival as rival_view
from convprof.reporting.views import run as run_view


def render(run: Run, pictures: Pictures | None = None) -> str:
    """The report of `run` as HTML, with `pictures` of its outputs; raises DataError where they are none."""
    found = layers(run)
    planning = run.planning
    return page(
        "report.html",
        head=Head(
            title=f"convprof: {run.analysis.model.path}",
            brand=f"convprof {run.convprof}",
            model=run.analysis.model.path,
            worth_it=run.verdict.worth_it,
            judgement=judgement(run),
            verdict=run.verdict.text,
            figures=figures(run),
            sections=sections(
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
            limits=gates_view.table(run.gates),
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
        rivals=rivals(planning, run.fidelity, run.rival) if planning else None,
        stages=run_view.stages(run.stages),
        environment=environment_view.environment(run.benchmark),
        convention=wording.CONVENTION,
    )

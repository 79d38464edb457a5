"""The page of one model: what it costs, and what to convert first."""

from __future__ import annotations

from convprof.records.analysis import Analysis
from convprof.reporting import wording
from convprof.reporting.charts.energy import energies
from convprof.reporting.charts.shares import shares
from convprof.reporting.document import filled
from convprof.reporting.pages.frame import Head, page, sections
from convprof.reporting.views import analysis as analysis_view
from convprof.reporting.views import cross_check as cross_check_view
from convprof.reporting.views import prospects as prospects_view


def render(analysis: Analysis) -> str:
    """The page of one model as HTML."""
    return page(
        "analysis.html",
        head=Head(
            title=f"convprof analysis: {analysis.model.path}",
            brand=f"convprof {analysis.convprof}, analysis",
            model=analysis.model.path,
            worth_it=False,
            judgement="",
            verdict=prospects_view.summary(analysis),
            figures=prospects_view.figures(analysis),
            sections=sections("First", "Work", "Forms", "Kernels", "Layers", "Model"),
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
        checked=filled(cross_check_view.tables(analysis.cross_check)),
        checked_notes=cross_check_view.notes(analysis.cross_check),
        sha256=analysis.model.sha256,
        convention=wording.CONVENTION,
    )

"""The page of a plan: what becomes what, and what to expect of it."""

from __future__ import annotations

from convprof.records.planning import Planning
from convprof.reporting import expectation, wording
from convprof.reporting.pages.frame import Head, page, sections
from convprof.reporting.pages.rivals import rivals
from convprof.reporting.views import planning as planning_view


def render(planning: Planning) -> str:
    """The page of a plan as HTML."""
    plan = planning.plan
    kept = ("Kept",) if plan.kept else ()
    return page(
        "plan.html",
        head=Head(
            title=f"convprof plan: {plan.model.path}",
            brand=f"convprof {planning.convprof}, plan",
            model=plan.model.path,
            worth_it=planning.worth_it and bool(plan.layers),
            judgement=expectation.judgement(planning),
            verdict=f"{expectation.because(planning)}.",
            figures=expectation.figures(planning),
            sections=sections("Plan", *kept, "Rivals", "Run"),
            remarks=planning_view.cautions(planning),
        ),
        plan_facts=planning_view.facts(planning),
        layer_table=planning_view.layers(planning),
        kept=plan.kept,
        rivals=rivals(planning),
        command=planning.command,
        sha256=plan.model.sha256,
        convention=wording.CONVENTION,
    )

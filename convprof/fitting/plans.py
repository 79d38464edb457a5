"""The planned layers of a model, in the order of its graph, each checked against its conv."""

from __future__ import annotations

from collections.abc import Mapping

from convprof.errors import PlanError
from convprof.forms import PLANNABLE, planned_form
from convprof.graph import ConvNode, Model, find_convs
from convprof.records.plan import Plan, PlannedLayer


def in_order(model: Model, plan: Plan) -> list[tuple[ConvNode, PlannedLayer]]:
    """Each planned layer with its conv; raises PlanError for a layer that does not fit the model."""
    wanted: Mapping[str, PlannedLayer] = {layer.name: layer for layer in plan.layers}
    convs = {conv.name: conv for conv in find_convs(model)}
    for layer in plan.layers:
        _check(layer, convs.get(layer.name))
    return [(conv, wanted[name]) for name, conv in convs.items() if name in wanted]


def _check(layer: PlannedLayer, conv: ConvNode | None) -> None:
    what = f"plan layer {layer.name!r}"
    if conv is None:
        raise PlanError(what, "the model has no conv of that name", "see `convprof analyze` for the names")
    refusal, site = conv.refusal, conv.site
    if refusal is not None or site is None:
        raise PlanError(what, refusal.text if refusal else "its shapes are not known", "take it out of the plan")
    planned_form(layer, site.spec, PLANNABLE)

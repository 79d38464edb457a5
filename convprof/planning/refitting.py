"""What a plan keeps can repair what it breaks: kept convs behind replaced ones are fitted anew, at no cost."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from convprof.forms import PLANNABLE
from convprof.planning.plans import cost_of
from convprof.planning.sites import site_of
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.plan import Plan, PlannedLayer

_DENSE = PLANNABLE["dense"]


def refitted(plan: Plan, analysis: Analysis, convs: Sequence[ConvReport], behind: Collection[str]) -> Plan:
    """The plan with every kept conv that is among the chosen `convs` and `behind` what is replaced refitted as it is.

    Convs that see what they always saw have nothing to repair, and those left out by the user stay untouched.
    """
    kept = {layer.name for layer in plan.kept}
    found = {c.name: c for c in convs if c.name in kept and c.name in behind and not _DENSE.applies(site_of(c).spec)}
    added = [PlannedLayer(name, _DENSE.name, (), _DENSE.emissions[0]) for name in found]
    order = {conv.name: number for number, conv in enumerate(analysis.convs)}
    parameters = plan.predicted.parameters
    if parameters is not None:
        parameters += sum(cost_of(found[layer.name], layer)[1] - found[layer.name].parameters for layer in added)
    return replace(
        plan,
        layers=tuple(sorted((*plan.layers, *added), key=lambda layer: order[layer.name])),
        kept=tuple(layer for layer in plan.kept if layer.name not in found),
        predicted=replace(plan.predicted, parameters=parameters),
    )

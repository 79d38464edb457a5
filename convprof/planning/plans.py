"""The record of a decision: what is replaced, why the rest stays, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convprof.forms import PLANNABLE
from convprof.macs import chain_macs, chain_parameters
from convprof.planning.sites import site_of
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.plan import Budget, KeptLayer, Plan, PlannedLayer, Prediction
from convprof.records.remarks import Remark

_KEPT = Remark("better-dense", "within the budget this conv does less harm as it is")
_SKIPPED = Remark("skipped", "left out by --only or --skip")


def decided(
    analysis: Analysis,
    layers: Sequence[PlannedLayer],
    budget: Budget,
    refused: Mapping[str, Remark],
    *,
    latency_ms: float | None = None,
    latency: float | None = None,
    damage: float | None = None,
    gap: float | None = None,
) -> Plan:
    """The record, with a reason for every conv that stays and the cost that follows from the choice."""
    planned = {layer.name: layer for layer in layers}
    kept = [
        KeptLayer(conv.name, conv.reason or refused.get(conv.name, _KEPT))
        for conv in analysis.convs
        if conv.name not in planned
    ]
    macs, parameters = analysis.totals.macs, analysis.totals.parameters
    for conv in analysis.convs:
        if conv.name in planned:
            new_macs, new_parameters = cost_of(conv, planned[conv.name])
            macs += new_macs - (conv.macs or 0)
            parameters += new_parameters - conv.parameters
    return Plan(
        schema="convprof.plan/1",
        model=analysis.model,
        layers=tuple(layers),
        kept=tuple(kept),
        budget=budget,
        predicted=Prediction(macs, parameters, latency_ms, latency, damage, gap),
    )


def left_out(analysis: Analysis, convs: Sequence[ConvReport]) -> dict[str, Remark]:
    """The reason for every conv that is not among the chosen `convs`."""
    names = {conv.name for conv in convs}
    return {conv.name: _SKIPPED for conv in analysis.convs if conv.name not in names}


def cost_of(conv: ConvReport, layer: PlannedLayer) -> tuple[int, int]:
    """MACs and parameters of the chain that stands in for the conv; a fitted chain has a bias."""
    site = site_of(conv)
    chain = PLANNABLE[layer.form].chain(site.spec, layer.rank)
    return chain_macs(chain, site), chain_parameters(chain, bias=True)

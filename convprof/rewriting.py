"""Writes the fitted factors into a copy of the graph: the same names in and out, cheaper convs in between."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from convprof.errors import PlanError
from convprof.forms import PLANNABLE
from convprof.graph import Model, Names, find_convs, fold_batch_norm, replace_conv, save
from convprof.macs import chain_macs
from convprof.records.factors import FittedConv
from convprof.records.plan import Plan


def fold(model: Model, layers: Collection[str]) -> Model:
    """A copy of the model in which the convs named in `layers` have absorbed the BatchNormalization after them."""
    return fold_batch_norm(model, layers)


def prepare(model: Model, plan: Plan) -> Model:
    """A copy of the model that is ready for the plan's layers to be fitted and replaced."""
    return fold(model, {layer.name for layer in plan.layers})


def rewrite(prepared: Model, plan: Plan, fitted: Sequence[FittedConv], path: Path) -> Model:
    """Replace every fitted conv of the prepared model as the plan says, and write the result to `path`.

    Raises PlanError where the plan names a layer that was not fitted, OutputError where `path` cannot be written.
    """
    emissions = {layer.name: layer.emission for layer in plan.layers}
    result = replace(prepared, program=prepared.program.clone())
    names, convs = Names(result.program), {conv.name: conv for conv in find_convs(result)}
    figures = []
    for layer in fitted:
        conv = convs.get(layer.name)
        if conv is None or conv.site is None or layer.name not in emissions:
            raise PlanError(f"layer {layer.name!r}", "it is not in both the plan and the model", "plan again")
        form = PLANNABLE[layer.form]
        replace_conv(conv, form.arrange(layer.factors, conv.site.spec, emissions[layer.name]), names)
        chain = form.chain(conv.site.spec, layer.rank)
        figures.append(
            (layer.name, chain_macs((conv.site.spec,), conv.site), chain_macs(chain, conv.site), layer.error)
        )
    return save(result, path, plan, figures)

"""Numbers for every planned layer: from its weights alone, or from what the layer sees and should answer.

Data-aware fits are asymmetric (Zhang et al. 2015, section 3.3): layer by layer in the order of the graph, the inputs
are those of the network as converted so far, the targets the original network's responses, so that each layer also
repairs what the layers before it broke. Where a response is added to another path, the target is the original's sum
less what the converted network has on that path: the layer repairs that path too. Where an activation follows, the
response is fitted for what the activation lets through (see `cut`).
"""

from __future__ import annotations

import numpy as np

from convprof.data import Batches
from convprof.errors import PlanError
from convprof.execution import Walk, chunks
from convprof.fitting.choosing import Layer, fit_layer
from convprof.fitting.evidence import gather
from convprof.fitting.levels import Level
from convprof.fitting.plans import in_order
from convprof.forms import FORMS
from convprof.graph import ConvNode, Model, Target
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, FittedConv, Recipe
from convprof.records.plan import Plan
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions


def factor(model: Model, plan: Plan) -> tuple[FittedConv, ...]:
    """Weights-only factors of every planned layer, in the order of the graph; errors are not known."""
    fitted = []
    for conv, layer in in_order(model, plan):
        spec, kernel, bias = _dense(conv)
        factors = FORMS[layer.form].factor(kernel, spec, layer.rank)
        fitted.append(
            FittedConv(layer.name, layer.form, layer.rank, Factors(factors.weights, bias), None, None, Recipe())
        )
    return tuple(fitted)


def fit(
    model: Model,
    plan: Plan,
    batches: Batches,
    *,
    options: RunOptions,
    seed: int,
    level: Level = Level.HELD_OUT,
    progress: Progress = silent,
) -> tuple[FittedConv, ...]:
    """Data-aware factors of every planned layer, in the order of the graph.

    `model` must have absorbed the BatchNormalization after the planned convs. `seed` decides the sampled positions.
    Raises PlanError for a plan that does not fit the model and DataError for unusable data.
    """
    layers = in_order(model, plan)
    feeds = list(chunks(model, batches))
    teacher, student = Walk(model, feeds, options), Walk(model, feeds, options)
    samples = sum(len(next(iter(feed.values()))) for feed in feeds)
    fitted: list[FittedConv] = []
    for number, (conv, planned) in enumerate(layers, 1):
        target = student.target(planned.name, [each.name for each, _ in layers[number - 1 :]])
        if level < Level.JOINED:
            target = Target(conv.output_name, None, None)
        spec, kernel, _ = _dense(conv)
        form = FORMS[planned.form]
        layer = Layer(form, spec, kernel, form.factor(kernel, spec, planned.rank))
        evidence = gather(conv, target, teacher, student, samples, seed + number, level)
        factors, recipe = fit_layer(layer, evidence)
        whole = evidence.whole
        errors = [layer.error(whole, evidence, chain) for chain in (factors, layer.biased(layer.start, whole))]
        fitted.append(FittedConv(planned.name, planned.form, planned.rank, factors, *errors, recipe))
        student.replace(planned.name, form.arrange(factors, spec, planned.emission))
        teacher.forget()
        student.forget()
        progress("fit", number, len(layers))
    return tuple(fitted)


def _dense(conv: ConvNode) -> tuple[ConvSpec, Array, Array | None]:
    """Geometry, kernel and bias of the conv, in float64; raises PlanError for a kernel that cannot be factored."""
    kernel, bias = conv.kernel().astype(np.float64), conv.bias()
    if not np.isfinite(kernel).all():
        raise PlanError(f"layer {conv.name!r}", "its weights hold NaN or infinity", "leave it out")
    return conv.known_site.spec, kernel, None if bias is None else bias.astype(np.float64)

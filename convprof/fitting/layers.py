"""Numbers for every planned layer: from its weights alone, or from what the layer sees and should answer.

Data-aware fits are asymmetric (Zhang et al. 2015, section 3.3): layer by layer in the order of the graph, the inputs
are those of the network as converted so far, the targets the original network's responses, so that each layer also
repairs what the layers before it broke. Where a response is added to another path, the target is the original's sum
less what the converted network has on that path: the layer repairs that path too. Where an activation follows, the
response is fitted for what the activation makes of it (see `approximation`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convprof.approximation import Layer, approximate
from convprof.data import Batches
from convprof.errors import PlanError
from convprof.execution import Walk, chunks, usable_samples
from convprof.fitting.drift import Drift
from convprof.fitting.evidence import Task
from convprof.fitting.keeping import KeptLayers
from convprof.fitting.levels import Level
from convprof.fitting.plans import in_order
from convprof.forms import PLANNABLE
from convprof.graph import ConvNode, Model, Target
from convprof.holding import Store
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, FittedConv, Recipe
from convprof.records.plan import Plan, PlannedLayer
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions


def factor(model: Model, plan: Plan) -> tuple[FittedConv, ...]:
    """Weights-only factors of every planned layer, in the order of the graph; errors are not known."""
    fitted = []
    for conv, layer in in_order(model, plan):
        spec, kernel, bias = _dense(conv)
        factors = PLANNABLE[layer.form].factor(kernel, spec, layer.rank)
        chain = Factors(factors.weights, bias)
        fitted.append(FittedConv(layer.name, layer.form, layer.rank, chain, None, None, Recipe()))
    return tuple(fitted)


def fit(
    model: Model,
    plan: Plan,
    batches: Batches,
    *,
    options: RunOptions,
    seed: int,
    level: Level = Level.HELD_OUT,
    store: Store | None = None,
    kept: KeptLayers | None = None,
    progress: Progress = silent,
) -> tuple[FittedConv, ...]:
    """Data-aware factors of every planned layer, in the order of the graph.

    `model` must have absorbed the BatchNormalization after the planned convs. `seed` decides the sampled positions.
    `store` holds the activations. Layers that `kept` has are taken from there, the others are added to it.
    Raises PlanError for a plan that does not fit the model and DataError for unusable data.
    """
    layers = in_order(model, plan)
    teacher = Walk(model, chunks(model, batches), options, store)
    student = teacher.twin()
    drift = Drift(model, batches, len(layers), options, store)
    samples = usable_samples(model, batches)
    fitted: list[FittedConv] = []
    for number, (conv, layer) in enumerate(layers, 1):
        target = student.target(layer.name, [each.name for each, _ in layers[number - 1 :]])
        if level < Level.JOINED:
            target = Target(conv.output_name, None, None)
        spec = conv.known_site.spec
        task = Task(conv, target, samples, seed + number, level)
        task.advance(teacher, student)
        result = kept.read(number, layer, spec) if kept else None
        if result is None:
            result = _fit_layer(task, layer, teacher, student)
            if kept:
                kept.write(number, result)
        student.replace(layer.name, PLANNABLE[layer.form].arrange(result.factors, spec, layer.emission))
        drift.convert(conv, student)
        teacher.forget()
        student.forget()
        fitted.append(result)
        progress("fit", number, len(layers))
    errors = drift.errors()
    return tuple(replace(each, model_error=error) for each, error in zip(fitted, errors, strict=True))


def _fit_layer(task: Task, planned: PlannedLayer, teacher: Walk, student: Walk) -> FittedConv:
    """Gather what there is to know and fit the layer to it."""
    spec, kernel, _ = _dense(task.conv)
    form = PLANNABLE[planned.form]
    layer = Layer(form, spec, kernel, form.factor(kernel, spec, planned.rank))
    made = approximate(layer, task.gather(teacher, student))
    return FittedConv(
        planned.name, planned.form, planned.rank, made.factors, made.error, made.error_weights, made.recipe
    )


def _dense(conv: ConvNode) -> tuple[ConvSpec, Array, Array | None]:
    """Geometry, kernel and bias of the conv, in float64; raises PlanError for a kernel that cannot be factored."""
    kernel, bias = conv.kernel().astype(np.float64), conv.bias()
    if not np.isfinite(kernel).all():
        raise PlanError(f"layer {conv.name!r}", "its weights hold NaN or infinity", "leave it out")
    return conv.known_site.spec, kernel, None if bias is None else bias.astype(np.float64)

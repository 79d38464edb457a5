"""Numbers for every planned layer: from its weights alone, or from what the layer sees and should answer.

Data-aware fits are asymmetric (Zhang et al. 2015, section 3.3): layer by layer in the order of the graph, the inputs
are those of the network as converted so far, the targets the original network's responses, so that each layer also
repairs what the layers before it broke. Where a response is added to another path, the target is the original's sum
less what the converted network has on that path: the layer repairs that path too. Where an activation follows, the
response is fitted for what the activation lets through (see `cut`).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from math import prod

import numpy as np

from convprof.data import Batches
from convprof.errors import PlanError
from convprof.execution import Walk, chunks, usable_samples
from convprof.fitting.cut import CutResponse, refine
from convprof.fitting.drift import Drift
from convprof.fitting.keeping import KeptLayers
from convprof.fitting.plans import in_order
from convprof.forms import FORMS
from convprof.graph import ConvNode, Model, Target
from convprof.holding import Store
from convprof.moments import RIDGE, Gatherer, positions_per_input
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, FittedConv
from convprof.records.plan import Plan, PlannedLayer
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions

SWEEPS = 12
ROWS_PER_UNKNOWN = 40
KEPT_BYTES = 1 << 28
SETTINGS = {"sweeps": SWEEPS, "rows_per_unknown": ROWS_PER_UNKNOWN, "kept_bytes": KEPT_BYTES, "ridge": RIDGE}
"""What else decides how a layer is fitted."""


def factor(model: Model, plan: Plan) -> tuple[FittedConv, ...]:
    """Weights-only factors of every planned layer, in the order of the graph; errors are not known."""
    fitted = []
    for conv, layer in in_order(model, plan):
        spec, kernel, bias = _dense(conv)
        factors = FORMS[layer.form].factor(kernel, spec, layer.rank)
        fitted.append(FittedConv(layer.name, layer.form, layer.rank, Factors(factors.weights, bias), None, None))
    return tuple(fitted)


def fit(
    model: Model,
    plan: Plan,
    batches: Batches,
    *,
    options: RunOptions,
    seed: int,
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
        spec = conv.known_site.spec
        _advance(conv, target, teacher, student)
        result = kept.read(number, layer, spec) if kept else None
        if result is None:
            result = _fit_layer(conv, layer, target, teacher, student, samples, seed + number)
            if kept:
                kept.write(number, result)
        student.replace(layer.name, FORMS[layer.form].arrange(result.factors, spec, layer.emission))
        drift.convert(conv, student)
        teacher.forget()
        student.forget()
        fitted.append(result)
        progress("fit", number, len(layers))
    errors = drift.errors()
    return tuple(replace(each, model_error=error) for each, error in zip(fitted, errors, strict=True))


def _advance(conv: ConvNode, target: Target, teacher: Walk, student: Walk) -> None:
    """Walk to where the layer is fitted, in the same steps whether it will be or not.

    Values differ in the last bits where a network is cut at other places.
    """
    teacher.reach(target.total)
    if target.other is not None:
        student.reach(target.other)
    student.reach(conv.input_name)


def _fit_layer(
    conv: ConvNode, layer: PlannedLayer, target: Target, teacher: Walk, student: Walk, samples: int, seed: int
) -> FittedConv:
    """Closed form first; where an activation follows, then for what the activation lets through."""
    form = FORMS[layer.form]
    spec, kernel, _ = _dense(conv)
    gatherer = _gather(conv, target, teacher, student, samples, seed)
    moments = gatherer.moments()
    start = form.factor(kernel, spec, layer.rank)
    factors = form.fit(moments.ridged(kernel, RIDGE), spec, start, SWEEPS)

    def biased(chain: Factors) -> Factors:
        return Factors(chain.weights, moments.best_bias(form.compose(chain, spec)))

    if target.passed is None:
        errors = [moments.relative_error(form.compose(chain, spec)) for chain in (factors, start)]
        return FittedConv(layer.name, layer.form, layer.rank, biased(factors), errors[0], errors[1])
    cut = CutResponse(gatherer.rows(), target.passed)
    best = refine(form, spec, kernel, moments, cut, biased(factors), ridge=RIDGE)
    errors = [cut.relative_error(form.compose(chain, spec), chain.bias) for chain in (best, biased(start))]
    return FittedConv(layer.name, layer.form, layer.rank, best, errors[0], errors[1])


def _gather(conv: ConvNode, target: Target, teacher: Walk, student: Walk, samples: int, seed: int) -> Gatherer:
    """What the layer sees in the converted network, and what it should answer there."""
    spec = conv.known_site.spec
    positions = positions_per_input(spec.weight_shape, samples, ROWS_PER_UNKNOWN)
    row_bytes = 4 * (prod(spec.weight_shape[1:]) + 2 * spec.out_channels)
    rows = samples * min(positions, prod(conv.known_site.output_size))
    keep_every = None if target.passed is None else max(1, -(-rows * row_bytes // KEPT_BYTES))
    gatherer = Gatherer(spec, positions, seed, keep_every=keep_every)
    totals = teacher.reach(target.total)
    others = repeat(None) if target.other is None else student.reach(target.other)
    inputs = student.reach(student.conv(conv.name).input_name)
    for seen, total, other in zip(inputs, totals, others, strict=False):
        gatherer.add(seen, total if other is None else total - other, other)
    return gatherer


def _dense(conv: ConvNode) -> tuple[ConvSpec, Array, Array | None]:
    """Geometry, kernel and bias of the conv, in float64; raises PlanError for a kernel that cannot be factored."""
    kernel, bias = conv.kernel().astype(np.float64), conv.bias()
    if not np.isfinite(kernel).all():
        raise PlanError(f"layer {conv.name!r}", "its weights hold NaN or infinity", "leave it out")
    return conv.known_site.spec, kernel, None if bias is None else bias.astype(np.float64)

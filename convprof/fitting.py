"""Numbers for every planned layer: from its weights alone, or from what the layer sees and should answer.

Data-aware fits are asymmetric (Zhang et al. 2015, section 3.3): layer by layer in the order of the graph, the inputs
are those of the network as converted so far, the targets the original network's responses, so that each layer also
repairs what the layers before it broke. Where a response is added to another path, the target is the original's sum
less what the converted network has on that path: the layer repairs that path too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from convprof.data import Batches
from convprof.errors import PlanError
from convprof.execution import Values, Walk, chunks
from convprof.forms import FORMS
from convprof.graph import ConvNode, Model, find_convs
from convprof.moments import Gatherer, positions_per_input
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, FittedConv
from convprof.records.plan import Plan, PlannedLayer
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions

SWEEPS = 12
RIDGE = 1e-4
ROWS_PER_UNKNOWN = 40


def factor(model: Model, plan: Plan) -> tuple[FittedConv, ...]:
    """Weights-only factors of every planned layer, in the order of the graph; errors are not known."""
    fitted = []
    for conv, layer in _in_order(model, plan):
        spec, kernel, bias = _dense(conv)
        factors = FORMS[layer.form].factor(kernel, spec, layer.rank)
        fitted.append(FittedConv(layer.name, layer.form, layer.rank, Factors(factors.weights, bias), None, None))
    return tuple(fitted)


def fit(
    model: Model, plan: Plan, batches: Batches, *, options: RunOptions, seed: int, progress: Progress = silent
) -> tuple[FittedConv, ...]:
    """Data-aware factors of every planned layer, in the order of the graph.

    `model` must have absorbed the BatchNormalization after the planned convs. `seed` decides the sampled positions.
    Raises PlanError for a plan that does not fit the model and DataError for unusable data.
    """
    layers = _in_order(model, plan)
    feeds = list(chunks(model, batches))
    teacher, student = Walk(model, feeds, options), Walk(model, feeds, options)
    samples = sum(len(next(iter(feed.values()))) for feed in feeds)
    fitted: list[FittedConv] = []
    for number, (conv, layer) in enumerate(layers, 1):
        pending = [each for each, _ in layers[number - 1 :]]
        targets = _targets(conv, teacher, student, pending)
        result = _fit_layer(conv, layer, targets, student, samples, seed + number)
        form = FORMS[layer.form]
        student.replace(layer.name, form.arrange(result.factors, _dense(conv)[0], layer.emission))
        teacher.forget()
        student.forget()
        fitted.append(result)
        progress("fit", number, len(layers))
    return tuple(fitted)


def _targets(conv: ConvNode, teacher: Walk, student: Walk, pending: Sequence[ConvNode]) -> Iterator[Values]:
    """What the conv should answer, chunk by chunk; `pending` are the convs that are still to be replaced."""
    join = student.join(conv.name, [each.name for each in pending])
    if join is None:
        return teacher.reach(conv.output_name)
    paths = zip(teacher.reach(join.total), student.reach(join.other), strict=True)
    return (total - other for total, other in paths)


def _fit_layer(
    conv: ConvNode, layer: PlannedLayer, targets: Iterable[Values], student: Walk, samples: int, seed: int
) -> FittedConv:
    form = FORMS[layer.form]
    spec, kernel, _ = _dense(conv)
    gatherer = Gatherer(spec, positions_per_input(spec.weight_shape, samples, ROWS_PER_UNKNOWN), seed)
    inputs = student.reach(student.conv(layer.name).input_name)
    for seen, wanted in zip(inputs, targets, strict=True):
        gatherer.add(seen, wanted)
    moments = gatherer.moments()
    start = form.factor(kernel, spec, layer.rank)
    factors = form.fit(moments.ridged(kernel, RIDGE), spec, start, SWEEPS)
    composed = form.compose(factors, spec)
    return FittedConv(
        layer.name,
        layer.form,
        layer.rank,
        Factors(factors.weights, moments.best_bias(composed)),
        error=moments.relative_error(composed),
        error_weights=moments.relative_error(form.compose(start, spec)),
    )


def _dense(conv: ConvNode) -> tuple[ConvSpec, Array, Array | None]:
    """Geometry, kernel and bias of the conv, in float64; raises PlanError for a kernel that cannot be factored."""
    kernel, bias = conv.kernel().astype(np.float64), conv.bias()
    if not np.isfinite(kernel).all():
        raise PlanError(f"layer {conv.name!r}", "its weights hold NaN or infinity", "leave it out")
    return conv.known_site.spec, kernel, None if bias is None else bias.astype(np.float64)


def _in_order(model: Model, plan: Plan) -> list[tuple[ConvNode, PlannedLayer]]:
    """The planned layers in the order of the graph, each checked against its conv."""
    wanted: Mapping[str, PlannedLayer] = {layer.name: layer for layer in plan.layers}
    convs = {conv.name: conv for conv in find_convs(model)}
    for layer in plan.layers:
        _check(layer, convs.get(layer.name))
    return [(conv, wanted[name]) for name, conv in convs.items() if name in wanted]


def _check(layer: PlannedLayer, conv: ConvNode | None) -> None:
    what = f"plan layer {layer.name!r}"
    if conv is None:
        raise PlanError(what, "the model has no conv of that name", "see `convprof analyze` for the names")
    if layer.form not in FORMS:
        raise PlanError(what, f"unknown form {layer.form!r}", f"known are {', '.join(FORMS)}")
    form, site = FORMS[layer.form], conv.site
    refusal = conv.refusal or (form.applies(site.spec) if site else None)
    if refusal is not None or site is None:
        raise PlanError(what, refusal.text if refusal else "its shapes are not known", "take it out of the plan")
    full = form.full_rank(site.spec)
    if len(layer.rank) != len(full) or not all(1 <= r <= f for r, f in zip(layer.rank, full, strict=True)):
        shown = ", ".join(f"1..{f}" for f in full)
        raise PlanError(what, f"rank {list(layer.rank)} is out of range", f"{layer.form} takes {shown} here")
    if layer.emission not in form.emissions:
        raise PlanError(what, f"{layer.form} has no emission {layer.emission!r}", f"it has {', '.join(form.emissions)}")

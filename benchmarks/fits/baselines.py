"""What others do with the original network's own activations, from their papers, on convprof's moments and forms.

All see what the original network sees (no layer knows what the ones before it broke), and get the bias that suits them
best, whether or not the paper says so. `regressed(S, C, R)` is the kernel of rank R nearest in the metric of S.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from convprof.approximation.sampling import ROWS_PER_UNKNOWN
from convprof.data import Batches
from convprof.execution import Walk, chunks, usable_samples
from convprof.fitting.plans import in_order
from convprof.forms import FORMS
from convprof.forms.bottleneck import regressed
from convprof.graph import ConvNode, Model
from convprof.holding import Store
from convprof.moments import Gatherer, Moments, positions_per_input
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, FittedConv, Recipe
from convprof.records.plan import Plan, PlannedLayer
from fits.subjects import OPTIONS, Method

Baseline = Callable[[Array, ConvSpec, int, Moments], Factors]
"""From a kernel and the moments of its own inputs and responses to the weights of a chain of a rank."""


def method(baseline: Baseline) -> Method:
    """The baseline, applied to every layer."""

    def run(model: Model, plan: Plan, batches: Batches, seed: int, store: Store) -> Sequence[FittedConv]:
        return [
            _fitted(baseline, conv, layer, moments)
            for conv, layer, moments in _symmetric(model, plan, batches, seed, store)
        ]

    return run


def whitened_slices(kernel: Array, spec: ConvSpec, rank: int, moments: Moments) -> Factors:
    """Depthwise-pointwise; each channel's slice truncated in the metric of that channel's own inputs."""
    flat, covariance = _slices(kernel, moments)
    pairs = [regressed(covariance[m, :, m], flat[:, m] @ covariance[m, :, m], rank) for m in range(len(covariance))]
    return _separable(pairs, spec)


def compensated_slices(kernel: Array, spec: ConvSpec, rank: int, moments: Moments) -> Factors:
    """Depthwise-pointwise; as above, but each channel in its turn also answers for what those before it lost.

    He et al. 2019, depth-wise decomposition with inter-channel compensation: one sweep over the channels.
    """
    flat, covariance = _slices(kernel, moments)
    lost = np.zeros(flat.shape)
    pairs = []
    for m in range(len(covariance)):
        own = covariance[m, :, m]
        wanted = lost[:, m] + flat[:, m] @ own
        pairs.append(regressed(own, wanted, rank))
        lost += np.tensordot(flat[:, m] - pairs[-1][0] @ pairs[-1][1], covariance[m], 1)
    return _separable(pairs, spec)


def whitened_filters(kernel: Array, spec: ConvSpec, rank: int, moments: Moments) -> Factors:
    """Channel; all filters as one matrix, truncated in the metric of the inputs (as BALF does, 2025)."""
    flat = kernel.reshape(len(kernel), -1)
    mixing, filters = regressed(moments.covariance, flat @ moments.covariance, rank)
    ones = (1,) * len(spec.kernel_shape)
    return Factors((filters.reshape(rank, *spec.weight_shape[1:]), mixing.reshape(*mixing.shape, *ones)))


def _symmetric(
    model: Model, plan: Plan, batches: Batches, seed: int, store: Store
) -> Iterator[tuple[ConvNode, PlannedLayer, Moments]]:
    """Every planned layer with the moments of what it sees and answers in the original network."""
    walk, samples = Walk(model, chunks(model, batches), OPTIONS, store), usable_samples(model, batches)
    for number, (conv, layer) in enumerate(in_order(model, plan), 1):
        spec = conv.known_site.spec
        positions = positions_per_input(spec.weight_shape, samples, ROWS_PER_UNKNOWN)
        gatherer = Gatherer(spec, positions, seed + number, layer=layer.name)
        for inputs in walk.reach(conv.input_name):
            gatherer.add_inputs(inputs, conv.kernel().astype(np.float64), conv.bias())
        walk.forget()
        yield conv, layer, gatherer.moments()


def _fitted(baseline: Baseline, conv: ConvNode, layer: PlannedLayer, moments: Moments) -> FittedConv:
    spec = conv.known_site.spec
    factors = baseline(conv.kernel().astype(np.float64), spec, layer.rank[0], moments)
    bias = moments.best_bias(FORMS[layer.form].compose(factors, spec))
    return FittedConv(layer.name, layer.form, layer.rank, Factors(factors.weights, bias), None, None, Recipe())


def _slices(kernel: Array, moments: Moments) -> tuple[Array, Array]:
    """The kernel (N, M, k) and S (M, k, M, k)."""
    flat = kernel.reshape(*kernel.shape[:2], -1)
    return flat, moments.covariance.reshape(flat.shape[1:] * 2)


def _separable(pairs: Sequence[tuple[Array, Array]], spec: ConvSpec) -> Factors:
    """From mixing (N, D) and filters (D, k) of each input channel to the weights of depthwise-pointwise."""
    filters = np.concatenate([right for _, right in pairs])
    mixing = np.concatenate([left for left, _ in pairs], axis=1)
    ones = (1,) * len(spec.kernel_shape)
    return Factors((filters.reshape(len(filters), 1, *spec.kernel_shape), mixing.reshape(*mixing.shape, *ones)))

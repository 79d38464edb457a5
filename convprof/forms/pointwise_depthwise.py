"""Pointwise then depthwise: the other order of the separable pair, decoupled by output channel (rank D).

    W'[n, m, k] = sum_d B[n, d, k] Q[(n, d), m]

Weights only: the truncated SVD of every W[n] (in_channels x k). Data-aware: for each output channel an exact step for
B, and conjugate gradients for Q through the composed kernel. Stride, pads and dilations sit on the depthwise conv; zero
padding commutes with the pointwise conv because only the last conv has a bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from convprof.forms.chains import in_a_row
from convprof.forms.least_squares import conjugate_gradients, descend, inverse, solve
from convprof.forms.offers import cheaper
from convprof.forms.pairs import normed, truncated
from convprof.forms.refusals import common_refusal
from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank, pointwise
from convprof.records.factors import Arrangement, Array, ConvStep, Factors, Parallel
from convprof.records.plan import Emission
from convprof.records.remarks import Remark
from convprof.stats.spectrum import gaussian_energy, kept_energy

_CHUNK = 1 << 24


class PointwiseDepthwise:
    """The separable pair with the 1x1 conv first."""

    name = "pointwise-depthwise"
    emissions: tuple[Emission, ...] = ("sum", "multiplier")
    short = 1
    by_output = True

    def applies(self, spec: ConvSpec) -> Remark | None:
        """Every dense conv can be decoupled."""
        return common_refusal(spec)

    def full_rank(self, spec: ConvSpec) -> Rank:
        """W[n] is in_channels x k: its rank ends at the smaller of the two."""
        return (min(spec.in_channels, prod(spec.kernel_shape)),)

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """Every multiplier that is cheaper than the dense conv."""
        return cheaper(site, ((d,) for d in range(1, self.full_rank(site.spec)[0] + 1)), self.chain)

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """M -> N D pointwise, then N groups of D channels to N with the geometry of `spec`."""
        middle = spec.out_channels * rank[0]
        return pointwise(spec.in_channels, middle, len(spec.kernel_shape)), _grouped(spec, middle)

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """Of the kernels of all output channels."""
        return kept_energy(kernel.reshape(*kernel.shape[:2], -1), [rank[0] for rank in ranks])

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """Each W[n] is an in_channels x k Gaussian matrix."""
        return gaussian_energy(spec.in_channels, prod(spec.kernel_shape), rank[0])

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """Truncated SVD of every output channel; the filters have norm 1."""
        filters, mixing = truncated(kernel.reshape(*kernel.shape[:2], -1), rank[0])
        return _factors(filters, mixing.transpose(0, 2, 1), spec)

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """Alternate the exact step for the filters and conjugate gradients on the pointwise weights."""
        channels, taps = spec.in_channels, prod(spec.kernel_shape)
        own = moments.covariance.reshape(channels, taps, channels, taps)
        whitening = inverse(np.einsum("akbk->ab", own) / taps)

        def refilter(factors: Factors) -> Factors:
            _, mixing = _unpack(factors, spec)
            filters, norms = normed(_filter_step(moments, mixing, taps))
            return _factors(filters, mixing * norms[:, :, None], spec)

        def sweep(factors: Factors) -> Factors:
            filters, mixing = _unpack(factors, spec)
            return refilter(_factors(filters, _mixing_step(moments, filters, mixing, whitening), spec))

        return descend(moments, start, lambda factors: self.compose(factors, spec), refilter, sweep, sweeps)

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """Sum over d of pointwise row times depthwise filter."""
        filters, mixing = _unpack(factors, spec)
        return (mixing.transpose(0, 2, 1) @ filters).reshape(spec.weight_shape)

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """`multiplier`: one pointwise and one grouped conv; `sum`: D pairs added up."""
        mixing, depthwise = factors.weights
        rank = len(mixing) // spec.out_channels
        if emission == "multiplier" or rank == 1:
            return in_a_row(self.chain(spec, (rank,)), factors)
        mix = pointwise(spec.in_channels, spec.out_channels, len(spec.kernel_shape))
        single = _grouped(spec, spec.out_channels)
        biases = [*([None] * (rank - 1)), factors.bias]
        pairs = tuple(
            (ConvStep(mix, mixing[d::rank], None), ConvStep(single, depthwise[:, d : d + 1], biases[d]))
            for d in range(rank)
        )
        return (Parallel(pairs, "sum"),)


def _grouped(spec: ConvSpec, in_channels: int) -> ConvSpec:
    """The conv with one group an output channel and the geometry of `spec`."""
    return replace(spec, in_channels=in_channels, group=spec.out_channels)


def _factors(filters: Array, mixing: Array, spec: ConvSpec) -> Factors:
    """From filters (N, D, k) and mixing (N, D, M) to the weights of the chain."""
    count, rank, channels = mixing.shape
    ones = (1,) * len(spec.kernel_shape)
    return Factors(
        (mixing.reshape(count * rank, channels, *ones), filters.reshape(count, rank, *spec.kernel_shape)),
    )


def _unpack(factors: Factors, spec: ConvSpec) -> tuple[Array, Array]:
    """Filters (N, D, k) and mixing (N, D, M) of the chain's weights."""
    mixing, depthwise = factors.weights
    count = spec.out_channels
    rank = len(mixing) // count
    return depthwise.reshape(count, rank, -1), mixing.reshape(count, rank, -1)


def _filter_step(moments: Moments, mixing: Array, taps: int) -> Array:
    """Exact: for each output channel a (D k) x (D k) system, in chunks of bounded memory."""
    count, rank, channels = mixing.shape
    covariance = moments.covariance.reshape(channels, taps * channels * taps)
    cross = moments.cross.reshape(count, channels, taps)
    size = rank * taps
    filters = np.empty((count, rank, taps))
    chunk = max(1, _CHUNK // (rank * taps * channels * taps))
    for begin in range(0, count, chunk):
        part = mixing[begin : begin + chunk]
        half = (part.reshape(-1, channels) @ covariance).reshape(len(part), rank * taps, channels, taps)
        normal = part[:, None] @ half
        right = (part @ cross[begin : begin + chunk]).reshape(len(part), 1, size)
        # normal is (n, D k, D', k'): both index pairs are ordered alike, so it reshapes into a square.
        square = normal.reshape(len(part), size, size)
        for number, system in enumerate(square):
            filters[begin + number] = solve(system, right[number]).reshape(rank, taps)
    return filters


def _mixing_step(moments: Moments, filters: Array, mixing: Array, whitening: Array) -> Array:
    """Conjugate gradients on Q, preconditioned by the filters' Gram matrices and the channels' covariance."""
    count, _, channels = mixing.shape
    taps = filters.shape[2]
    own = inverse(filters @ filters.transpose(0, 2, 1))

    def adjoint(kernel: Array) -> Array:
        return filters @ kernel.reshape(count, channels, taps).transpose(0, 2, 1)

    def apply(x: Array) -> Array:
        composed = (x.transpose(0, 2, 1) @ filters).reshape(count, channels * taps)
        return adjoint(composed @ moments.covariance)

    return conjugate_gradients(apply, adjoint(moments.cross), mixing, lambda x: own @ x @ whitening)

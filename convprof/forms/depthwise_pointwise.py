"""Depthwise then pointwise, D filters a channel (rank = depth multiplier D).

    W'[n, m, k] = sum_d P[n, (m, d)] B[(m, d), k]

Weights only: the truncated SVD of every slice W[:, m, :] (Network Decoupling, Guo et al. 2018, section 3; the
same factors are DAC's, Li et al. 2019). Data-aware: alternating exact steps for P and conjugate gradients for B, whose
normal matrix is the Hadamard product (P^T P x 1) * S and is never formed. Stride, pads and dilations sit on the
depthwise conv.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar

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

_F = TypeVar("_F", bound=np.floating)


class DepthwisePointwise:
    """The depthwise-separable convolution, with a depth multiplier."""

    name = "depthwise-pointwise"
    emissions: tuple[Emission, ...] = ("sum", "concat", "multiplier")
    short = 1
    by_output = False

    def applies(self, spec: ConvSpec) -> Remark | None:
        """Every dense conv can be decoupled."""
        return common_refusal(spec)

    def full_rank(self, spec: ConvSpec) -> Rank:
        """A slice is out_channels x k: its rank ends at the smaller of the two."""
        return (min(spec.out_channels, prod(spec.kernel_shape)),)

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """Every multiplier that is cheaper than the dense conv."""
        return cheaper(site, ((d,) for d in range(1, self.full_rank(site.spec)[0] + 1)), self.chain)

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """M -> M D depthwise with the geometry of `spec`, then M D -> N pointwise."""
        middle = spec.in_channels * rank[0]
        depthwise = _with_channels(spec, middle)
        return depthwise, pointwise(middle, spec.out_channels, len(spec.kernel_shape))

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """Of the slices of all input channels."""
        return kept_energy(_slices(kernel), [rank[0] for rank in ranks])

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """Each slice is an out_channels x k Gaussian matrix."""
        return gaussian_energy(spec.out_channels, prod(spec.kernel_shape), rank[0])

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """Truncated SVD of every slice; the filters have norm 1."""
        filters, mixing = truncated(_slices(kernel), rank[0])
        return _factors(filters, mixing.transpose(1, 0, 2), spec)

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """Alternate the exact pointwise step and conjugate gradients on the filters."""
        channels = spec.in_channels
        taps = prod(spec.kernel_shape)
        covariance = moments.covariance.reshape(channels, taps, channels * taps)
        diagonal = np.stack([covariance[m, :, m * taps : (m + 1) * taps] for m in range(channels)])
        whitening = inverse(diagonal)

        def mix(factors: Factors) -> Factors:
            filters, _ = _unpack(factors, spec)
            return _factors(filters, _mixing_step(moments, filters, covariance), spec)

        def sweep(factors: Factors) -> Factors:
            filters, mixing = _unpack(factors, spec)
            filters, _ = normed(_filter_step(moments, filters, mixing, covariance, whitening))
            return _factors(filters, _mixing_step(moments, filters, covariance), spec)

        return descend(moments, start, lambda factors: self.compose(factors, spec), mix, sweep, sweeps)

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """Sum over d of pointwise column times depthwise filter."""
        filters, mixing = _unpack(factors, spec)
        return (mixing.transpose(1, 0, 2) @ filters).transpose(1, 0, 2).reshape(spec.weight_shape)

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """`multiplier`: one grouped conv; `concat`: D depthwise convs, one pointwise; `sum`: D pairs added up."""
        depthwise, mixing = factors.weights
        rank = len(depthwise) // spec.in_channels
        chain = self.chain(spec, (rank,))
        if emission == "multiplier" or rank == 1:
            return in_a_row(chain, factors)
        single = _with_channels(spec, spec.in_channels)
        filters = [ConvStep(single, depthwise[d::rank], None) for d in range(rank)]
        columns = [mixing[:, d::rank] for d in range(rank)]
        if emission == "concat":
            joined = ConvStep(chain[-1], np.concatenate(columns, axis=1), factors.bias)
            return Parallel(tuple((step,) for step in filters), "concat"), joined
        mix = pointwise(spec.in_channels, spec.out_channels, len(spec.kernel_shape))
        biases = [*([None] * (rank - 1)), factors.bias]
        return (
            Parallel(
                tuple((filters[d], ConvStep(mix, columns[d], biases[d])) for d in range(rank)),
                "sum",
            ),
        )


def _with_channels(spec: ConvSpec, out_channels: int) -> ConvSpec:
    """The depthwise conv with the geometry of `spec`."""
    return replace(spec, out_channels=out_channels, group=spec.in_channels)


def _slices(kernel: NDArray[_F]) -> NDArray[_F]:
    """One matrix out_channels x k for each input channel: (M, N, k)."""
    return kernel.reshape(*kernel.shape[:2], -1).transpose(1, 0, 2)


def _factors(filters: Array, mixing: Array, spec: ConvSpec) -> Factors:
    """From filters (M, D, k) and mixing (N, M, D) to the weights of the chain."""
    channels, rank, _ = filters.shape
    ones = (1,) * len(spec.kernel_shape)
    return Factors(
        (
            filters.reshape(channels * rank, 1, *spec.kernel_shape),
            mixing.reshape(len(mixing), channels * rank, *ones),
        )
    )


def _unpack(factors: Factors, spec: ConvSpec) -> tuple[Array, Array]:
    """Filters (M, D, k) and mixing (N, M, D) of the chain's weights."""
    depthwise, mixing = factors.weights
    channels = spec.in_channels
    return depthwise.reshape(channels, len(depthwise) // channels, -1), mixing.reshape(len(mixing), channels, -1)


def _mixing_step(moments: Moments, filters: Array, covariance: Array) -> Array:
    """P = C T^T (T S T^T)^-1, exactly."""
    channels, rank, taps = filters.shape
    half = (filters @ covariance).reshape(channels * rank, channels, taps)
    normal = (half.transpose(1, 0, 2) @ filters.transpose(0, 2, 1)).transpose(1, 0, 2)
    right = _slices(moments.cross.reshape(-1, channels, taps)) @ filters.transpose(0, 2, 1)
    solution = solve(
        normal.reshape(channels * rank, channels * rank), right.transpose(1, 0, 2).reshape(-1, channels * rank)
    )
    return solution.reshape(-1, channels, rank)


def _filter_step(moments: Moments, filters: Array, mixing: Array, covariance: Array, whitening: Array) -> Array:
    """Conjugate gradients on the filters, preconditioned by each channel's own block."""
    channels, rank, taps = filters.shape
    flat = mixing.reshape(len(mixing), channels * rank)
    gram = (flat.T @ flat).reshape(channels, rank, channels * rank)
    own = inverse(np.stack([gram[m, :, m * rank : (m + 1) * rank] for m in range(channels)]))
    right = mixing.transpose(1, 2, 0) @ _slices(moments.cross.reshape(-1, channels, taps))

    def apply(x: Array) -> Array:
        half = (x @ covariance).reshape(channels * rank, channels, taps)
        return gram @ half.transpose(1, 0, 2)

    return conjugate_gradients(apply, right, filters, lambda x: own @ x @ whitening)

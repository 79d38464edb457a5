"""Separable in space: a conv along the first axis into R channels, then a conv along the others (rank R).

    W'[n, m, a, b] = sum_r P[n, r, b] Q[r, m, a]

Weights only: the truncated SVD of the (M a) x (N b) matrix (Jaderberg et al. 2014, scheme 2; Tai et al. 2016,
theorem 1).
Data-aware: alternating exact steps for P and conjugate gradients for Q. Stride, pads and dilations are split by axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from convprof.forms import bottleneck
from convprof.forms.chains import in_a_row
from convprof.forms.least_squares import descend, solve
from convprof.forms.offers import cheaper, in_blocks
from convprof.forms.refusals import common_refusal
from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.factors import Arrangement, Array, Factors
from convprof.records.plan import Emission
from convprof.records.remarks import Remark
from convprof.stats.spectrum import gaussian_energy, kept_energy

_F = TypeVar("_F", bound=np.floating)


class Spatial:
    """A vertical conv and a horizontal one through R channels."""

    name = "spatial"
    emissions: tuple[Emission, ...] = ("sum",)
    short = 1
    by_output = False

    def applies(self, spec: ConvSpec) -> Remark | None:
        """Two axes at least must have a kernel longer than 1."""
        refusal = common_refusal(spec)
        if refusal is not None:
            return refusal
        if spec.kernel_shape[0] == 1 or prod(spec.kernel_shape[1:]) == 1:
            return Remark("one-axis", "the kernel is longer than 1 along one axis only: nothing to split")
        return None

    def full_rank(self, spec: ConvSpec) -> Rank:
        """The smaller side of the (M a) x (N b) matrix."""
        first, rest = spec.kernel_shape[0], prod(spec.kernel_shape[1:])
        return (min(spec.in_channels * first, spec.out_channels * rest),)

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """Quarters of the channels, in blocks where there are enough."""
        spec = site.spec
        channels = min(spec.in_channels, spec.out_channels)
        step = in_blocks(-(-channels // 4), channels)
        return cheaper(site, ((r,) for r in range(step, self.full_rank(spec)[0] + 1, step)), self.chain)

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """M -> R along the first axis, then R -> N along the others."""
        axes = len(spec.kernel_shape)
        rest = axes - 1
        first = ConvSpec(
            spec.in_channels,
            rank[0],
            (spec.kernel_shape[0], *(1,) * rest),
            (spec.strides[0], *(1,) * rest),
            (spec.pads[0], *(0,) * rest, spec.pads[axes], *(0,) * rest),
            (spec.dilations[0], *(1,) * rest),
        )
        last = ConvSpec(
            rank[0],
            spec.out_channels,
            (1, *spec.kernel_shape[1:]),
            (1, *spec.strides[1:]),
            (0, *spec.pads[1:axes], 0, *spec.pads[axes + 1 :]),
            (1, *spec.dilations[1:]),
        )
        return first, last

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """Of the whole kernel as one matrix."""
        return kept_energy(_matrix(kernel), [rank[0] for rank in ranks])

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """The whole kernel is one Gaussian matrix (M a) x (N b)."""
        first, rest = spec.kernel_shape[0], prod(spec.kernel_shape[1:])
        return gaussian_energy(spec.in_channels * first, spec.out_channels * rest, rank[0])

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """Truncated SVD, the singular values shared evenly."""
        left, values, right = np.linalg.svd(_matrix(kernel), full_matrices=False)
        root = np.sqrt(values[: rank[0]])
        first = (left[:, : rank[0]] * root).T
        last = (right[: rank[0]] * root[:, None]).reshape(rank[0], spec.out_channels, -1).transpose(1, 0, 2)
        return _factors(first, last, spec)

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """Alternate the exact step for the last conv and conjugate gradients on the first."""
        width = prod(spec.kernel_shape[1:])
        white = bottleneck.whitening(moments, width)

        def respond(factors: Factors) -> Factors:
            first, _ = _unpack(factors)
            last = solve(*bottleneck.compressed(moments, first, width))
            return _balanced(first, last.reshape(-1, len(first), width), spec)

        def sweep(factors: Factors) -> Factors:
            first, last = _unpack(factors)
            return respond(_factors(bottleneck.first_step(moments, first, last, white), last, spec))

        return descend(moments, start, lambda factors: self.compose(factors, spec), respond, sweep, sweeps)

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """Sum over the R channels between the two convs."""
        first, last = _unpack(factors)
        return bottleneck.composed(first, last).reshape(spec.weight_shape)

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """Two convs, one after the other, whatever the emission."""
        return in_a_row(self.chain(spec, (len(factors.weights[0]),)), factors)


def _matrix(kernel: NDArray[_F]) -> NDArray[_F]:
    """The kernel as a matrix (M a) x (N b)."""
    count, channels, first = kernel.shape[:3]
    return kernel.reshape(count, channels, first, -1).transpose(1, 2, 0, 3).reshape(channels * first, -1)


def _factors(first: Array, last: Array, spec: ConvSpec) -> Factors:
    """From Q (R, M a) and P (N, R, b) to the weights of the chain."""
    rank, rest = len(first), len(spec.kernel_shape) - 1
    return Factors(
        (
            first.reshape(rank, spec.in_channels, spec.kernel_shape[0], *(1,) * rest),
            last.reshape(len(last), rank, 1, *spec.kernel_shape[1:]),
        )
    )


def _unpack(factors: Factors) -> tuple[Array, Array]:
    """Q (R, M a) and P (N, R, b) of the chain's weights."""
    first, last = factors.weights
    return first.reshape(len(first), -1), last.reshape(*last.shape[:2], -1)


def _balanced(first: Array, last: Array, spec: ConvSpec) -> Factors:
    """The same product, each of the R channels with the same norm on both sides."""
    one = np.linalg.norm(first, axis=1)
    two = np.linalg.norm(last, axis=(0, 2))
    scale = np.sqrt(np.where(one > 0, two, 1.0) / np.where(one > 0, one, 1.0))
    scale = np.where(scale > 0, scale, 1.0)
    return _factors(first * scale[:, None], last / scale[None, :, None], spec)

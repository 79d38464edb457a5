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

from convprof.forms.least_squares import conjugate_gradients, descend, inverse, solve
from convprof.forms.offers import cheaper
from convprof.forms.refusals import common_refusal
from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.factors import Arrangement, Array, ConvStep, Factors
from convprof.records.plan import Emission
from convprof.records.remarks import Remark
from convprof.stats.spectrum import gaussian_energy, kept_energy

_BLOCK = 8
_F = TypeVar("_F", bound=np.floating)


class Spatial:
    """A vertical conv and a horizontal one through R channels."""

    name = "spatial"
    emissions: tuple[Emission, ...] = ("sum",)

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
        """Quarters of the channels, in blocks of 8 where there are enough: runtimes like whole blocks."""
        spec = site.spec
        quarter = max(1, min(spec.in_channels, spec.out_channels) // 4)
        step = quarter if quarter < _BLOCK else quarter // _BLOCK * _BLOCK
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
        first = (left[:, : rank[0]] * root).T.reshape(rank[0], spec.in_channels, spec.kernel_shape[0])
        last = (right[: rank[0]] * root[:, None]).reshape(rank[0], spec.out_channels, -1).transpose(1, 0, 2)
        return _factors(first, last, spec)

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """Alternate the exact step for the last conv and conjugate gradients on the first."""
        width = prod(spec.kernel_shape[1:])
        side = spec.in_channels * spec.kernel_shape[0]
        whitening = inverse(np.einsum("ibjb->ij", moments.covariance.reshape(side, width, side, width)) / width)

        def respond(factors: Factors) -> Factors:
            first, _ = _unpack(factors)
            return _balanced(first, _last_step(moments, first, width), spec)

        def sweep(factors: Factors) -> Factors:
            first, last = _unpack(factors)
            return respond(_factors(_first_step(moments, first, last, whitening), last, spec))

        return descend(moments, start, lambda factors: self.compose(factors, spec), respond, sweep, sweeps)

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """Sum over the R channels between the two convs."""
        first, last = _unpack(factors)
        return _compose(first, last).reshape(spec.weight_shape)

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """Two convs, one after the other, whatever the emission."""
        first, last = factors.weights
        chain = self.chain(spec, (len(first),))
        return ConvStep(chain[0], first, None), ConvStep(chain[1], last, factors.bias)


def _matrix(kernel: NDArray[_F]) -> NDArray[_F]:
    """The kernel as a matrix (M a) x (N b)."""
    count, channels, first = kernel.shape[:3]
    return kernel.reshape(count, channels, first, -1).transpose(1, 2, 0, 3).reshape(channels * first, -1)


def _compose(first: Array, last: Array) -> Array:
    """Kernel (N, M, a, b) from Q (R, M, a) and P (N, R, b)."""
    rank, channels, length = first.shape
    count, _, width = last.shape
    flat = last.transpose(0, 2, 1).reshape(count * width, rank) @ first.reshape(rank, -1)
    return flat.reshape(count, width, channels, length).transpose(0, 2, 3, 1)


def _factors(first: Array, last: Array, spec: ConvSpec) -> Factors:
    """From Q (R, M, a) and P (N, R, b) to the weights of the chain."""
    rank, channels, length = first.shape
    rest = len(spec.kernel_shape) - 1
    return Factors(
        (
            first.reshape(rank, channels, length, *(1,) * rest),
            last.reshape(len(last), rank, 1, *spec.kernel_shape[1:]),
        )
    )


def _unpack(factors: Factors) -> tuple[Array, Array]:
    first, last = factors.weights
    return first.reshape(*first.shape[:3]), last.reshape(*last.shape[:2], -1)


def _last_step(moments: Moments, first: Array, width: int) -> Array:
    """Exact: regress the responses on the R b features that the first conv makes."""
    rank, channels, length = first.shape
    taps = length * width
    features = first.reshape(rank, channels * length)

    def gather(rows: Array) -> Array:
        """From columns (m, a, b) to columns (r, b)."""
        split = rows.reshape(len(rows), channels * length, width)
        return (features @ split).reshape(len(rows), rank * width)

    half = features @ moments.covariance.reshape(channels * length, -1)
    normal = gather(half.reshape(rank * width, channels * taps))
    return solve(normal, gather(moments.cross)).reshape(-1, rank, width)


def _first_step(moments: Moments, first: Array, last: Array, whitening: Array) -> Array:
    """Conjugate gradients on Q through the Gram matrix of P, preconditioned by a Kronecker product."""
    rank, channels, length = first.shape
    count, _, width = last.shape
    side = channels * length
    gram = (last.reshape(count, -1).T @ last.reshape(count, -1)).reshape(rank, width, rank, width)
    split = moments.covariance.reshape(side, width, side, width)
    own = inverse(np.einsum("rbsb->rs", gram))
    right = np.einsum("nrb,nib->ri", last, moments.cross.reshape(count, side, width), optimize=True)

    def apply(x: Array) -> Array:
        """From (r', i') through S to (r', b', i, b), then over P^T P to (r, i)."""
        half = (x @ split.reshape(side, -1)).reshape(rank * width, side, width).transpose(2, 0, 1)
        return gram.reshape(rank, -1) @ half.reshape(-1, side)

    solution = conjugate_gradients(apply, right, first.reshape(rank, side), lambda x: own @ x @ whitening)
    return solution.reshape(first.shape)


def _balanced(first: Array, last: Array, spec: ConvSpec) -> Factors:
    """The same product, each of the R channels with the same norm on both sides."""
    one = np.linalg.norm(first, axis=(1, 2))
    two = np.linalg.norm(last, axis=(0, 2))
    scale = np.sqrt(np.where(one > 0, two, 1.0) / np.where(one > 0, one, 1.0))
    scale = np.where(scale > 0, scale, 1.0)
    return _factors(first * scale[:, None, None], last / scale[None, :, None], spec)

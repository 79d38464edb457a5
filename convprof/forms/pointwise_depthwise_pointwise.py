"""Pointwise, depthwise, pointwise through R channels: both separable orders in one (rank R).

    W'[n, m, k] = sum_r P[n, r] B[r, k] Q[r, m]

A canonical polyadic decomposition with the spatial axes taken as one (Lebedev et al. 2015 split those too). Weights
only: the R strongest terms of the truncated SVDs by input channel or by output channel, whichever keep more.
Data-aware: conjugate gradients on Q and on B and the exact step for P, several rounds a sweep, and then a leap ahead,
without which such fits crawl (Rajih, Comon and Harshman 2008). Stride, pads and dilations sit on the depthwise conv;
zero padding commutes with the first conv, which has no bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from convprof.forms.chains import in_a_row
from convprof.forms.least_squares import conjugate_gradients, descend, inverse, solve
from convprof.forms.offers import block_of, cheaper, eighths
from convprof.forms.pairs import normed
from convprof.forms.refusals import common_refusal
from convprof.macs import chain_macs, conv_macs
from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank, pointwise
from convprof.records.factors import Arrangement, Array, Factors
from convprof.records.plan import Emission
from convprof.records.remarks import Remark
from convprof.stats.spectrum import gaussian_pooled_energy, pooled_energy

_ROUNDS = 2
_STEPS = 4
_LEAP = 3.0


class PointwiseDepthwisePointwise:
    """A depthwise conv between two 1x1 convs."""

    name = "pointwise-depthwise-pointwise"
    emissions: tuple[Emission, ...] = ("sum",)
    short = 8
    by_output = False

    def applies(self, spec: ConvSpec) -> Remark | None:
        """Every dense conv can be decoupled."""
        return common_refusal(spec)

    def full_rank(self, spec: ConvSpec) -> Rank:
        """Where one of the two separable orders is exact: the product of the two smallest of M, N and k."""
        sizes = sorted((spec.in_channels, spec.out_channels, prod(spec.kernel_shape)))
        return (sizes[0] * sizes[1],)

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """Eighths of the largest rank that is exact, or that is whole blocks and not dearer than the dense conv."""
        dense = conv_macs(site.spec, site.output_size, site.batch)
        even = dense // chain_macs(self.chain(site.spec, (1,)), site)
        return cheaper(site, eighths((min(even - even % block_of(even), *self.full_rank(site.spec)),)), self.chain)

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """M -> R pointwise, R channels depthwise with the geometry of `spec`, R -> N pointwise."""
        axes = len(spec.kernel_shape)
        middle = replace(spec, in_channels=rank[0], out_channels=rank[0], group=rank[0])
        return pointwise(spec.in_channels, rank[0], axes), middle, pointwise(rank[0], spec.out_channels, axes)

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """Of the slices by input channel or by output channel, all slices of one kind together."""
        counts = [rank[0] for rank in ranks]
        by_output = kernel.reshape(*kernel.shape[:2], -1)
        both = pooled_energy(by_output, counts), pooled_energy(by_output.swapaxes(0, 1), counts)
        return tuple(map(max, *both))

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """The slices are Gaussian matrices N x k or M x k."""
        into, out, taps = spec.in_channels, spec.out_channels, prod(spec.kernel_shape)
        return max(gaussian_pooled_energy(into, out, taps, rank[0]), gaussian_pooled_energy(out, into, taps, rank[0]))

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """The strongest terms of the better kind of slices; Q and B have rows of norm 1."""
        by_output = kernel.reshape(*kernel.shape[:2], -1)
        first, filters, mixing = _strongest(by_output.swapaxes(0, 1), rank[0])
        last, others, gathering = _strongest(by_output, rank[0])
        if np.sum(mixing**2) >= np.sum(gathering**2):
            return _factors(first, filters, mixing.T, spec)
        gathering, norms = normed(gathering)
        return _factors(gathering, others, last.T * norms, spec)

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """Alternate conjugate gradients on the first two convs and the exact step for the last, and leap ahead."""
        steps = _Steps(moments, prod(spec.kernel_shape))

        def respond(factors: Factors) -> Factors:
            first, filters, _ = _unpack(factors)
            first, filters = normed(first)[0], normed(filters)[0]
            return _factors(first, filters, steps.last(first, filters), spec)

        def round_of_steps(factors: Factors) -> Factors:
            first, filters, last = _unpack(factors)
            first = steps.first(first, filters, last)
            return respond(_factors(first, steps.filters(first, filters, last), last, spec))

        def sweep(factors: Factors) -> Factors:
            ahead = factors
            for _ in range(_ROUNDS):
                ahead = round_of_steps(ahead)
            leap = respond(_beyond(factors, ahead))
            return min(ahead, leap, key=lambda each: moments.error_of_solution(self.compose(each, spec)))

        return descend(moments, start, lambda factors: self.compose(factors, spec), respond, sweep, sweeps)

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """Sum over the R channels."""
        first, filters, last = _unpack(factors)
        return (last @ _features(first, filters)).reshape(spec.weight_shape)

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """Three convs, one after the other, whatever the emission."""
        return in_a_row(self.chain(spec, (len(factors.weights[0]),)), factors)


class _Steps:
    """Steps that improve one factor with the others held fixed: Q (R, M), B (R, k), P (N, R).

    For the preconditioners alone, S is taken to be a Kronecker product of its means over taps and over channels.
    """

    def __init__(self, moments: Moments, taps: int) -> None:
        self._moments = moments
        self._shape = len(moments.covariance) // taps, taps
        split = moments.covariance.reshape(self._shape * 2)
        self._channels = np.einsum("mknk->mn", split) / taps
        level = np.trace(self._channels) or 1.0
        self._taps = np.einsum("mkml->kl", split) / level
        self._channels_inverse, self._taps_inverse = inverse(self._channels), inverse(self._taps)

    def first(self, first: Array, filters: Array, last: Array) -> Array:
        """Conjugate gradients on Q through the composed kernel."""
        own = inverse((last.T @ last) * (filters @ self._taps @ filters.T))

        def adjoint(kernel: Array) -> Array:
            return (self._returned(kernel, last) @ filters[:, :, None])[:, :, 0]

        def apply(x: Array) -> Array:
            return adjoint((last @ _features(x, filters)) @ self._moments.covariance)

        right = adjoint(self._moments.cross)
        return conjugate_gradients(apply, right, first, lambda x: own @ x @ self._channels_inverse, _STEPS)

    def filters(self, first: Array, filters: Array, last: Array) -> Array:
        """Conjugate gradients on B through the composed kernel."""
        own = inverse((last.T @ last) * (first @ self._channels @ first.T))

        def adjoint(kernel: Array) -> Array:
            return (first[:, None, :] @ self._returned(kernel, last))[:, 0]

        def apply(x: Array) -> Array:
            return adjoint((last @ _features(first, x)) @ self._moments.covariance)

        right = adjoint(self._moments.cross)
        return conjugate_gradients(apply, right, filters, lambda x: own @ x @ self._taps_inverse, _STEPS)

    def last(self, first: Array, filters: Array) -> Array:
        """P = C F^T (F S F^T)^-1, exactly, with F the features that Q and B make."""
        features = _features(first, filters)
        return solve(features @ self._moments.covariance @ features.T, self._moments.cross @ features.T)

    def _returned(self, kernel: Array, last: Array) -> Array:
        """P^T applied to a kernel (N, M k): (R, M, k)."""
        return (last.T @ kernel).reshape(-1, *self._shape)


def _strongest(slices: Array, rank: int) -> tuple[Array, Array, Array]:
    """The `rank` strongest terms of the SVDs of all slices (c, rows, k).

    For each term which slice it is of (rank, c), its filter of norm 1 (rank, k), and its mixing weights (rank, rows).
    """
    left, values, right = np.linalg.svd(slices, full_matrices=False)
    chosen = np.argsort(-values, axis=None, kind="stable")[:rank]
    at, term = np.divmod(chosen, values.shape[1])
    return np.eye(len(slices))[at], right[at, term], left[at, :, term] * values[at, term, None]


def _beyond(before: Factors, after: Factors) -> Factors:
    """From `before` through `after` and on."""
    return Factors(tuple(new + _LEAP * (new - old) for old, new in zip(before.weights, after.weights, strict=True)))


def _features(first: Array, filters: Array) -> Array:
    """What each of the R channels makes of a patch: (R, M k) from Q (R, M) and B (R, k)."""
    return (first[:, :, None] * filters[:, None, :]).reshape(len(first), -1)


def _factors(first: Array, filters: Array, last: Array, spec: ConvSpec) -> Factors:
    """From Q (R, M), B (R, k) and P (N, R) to the weights of the chain."""
    ones = (1,) * len(spec.kernel_shape)
    return Factors(
        (
            first.reshape(*first.shape, *ones),
            filters.reshape(len(filters), 1, *spec.kernel_shape),
            last.reshape(*last.shape, *ones),
        )
    )


def _unpack(factors: Factors) -> tuple[Array, Array, Array]:
    """Q (R, M), B (R, k) and P (N, R) of the chain's weights."""
    first, filters, last = factors.weights
    return first.reshape(len(first), -1), filters.reshape(len(filters), -1), last.reshape(len(last), -1)

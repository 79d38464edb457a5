"""Fewer channels on both sides: pointwise into R1, the conv itself from R1 to R2, pointwise (rank R1, R2).

    W'[n, m, k] = sum_s P[n, s] sum_r G[s, r, k] Q[r, m]

Weights only: the higher-order SVD over both channel axes (De Lathauwer et al. 2000; Kim et al. 2016). Data-aware: given
Q, the best G and P together are a reduced-rank regression on what Q lets through; given those, conjugate gradients on
Q. Stride, pads and dilations sit on the middle conv; zero padding commutes with the first one, which has no bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from convprof.forms import bottleneck
from convprof.forms.chains import in_a_row
from convprof.forms.least_squares import descend
from convprof.forms.offers import cheaper, eighths
from convprof.forms.refusals import common_refusal
from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank, pointwise
from convprof.records.factors import Arrangement, Array, Factors
from convprof.records.plan import Emission
from convprof.records.remarks import Remark

_F = TypeVar("_F", bound=np.floating)
_DRAWN_CHANNELS = 64
_DRAWN_VALUES = 1 << 16
_MOST_DRAWS = 64


class Tucker2:
    """The same conv between fewer channels, with a 1x1 conv before and one behind."""

    name = "tucker2"
    emissions: tuple[Emission, ...] = ("sum",)
    short = 1
    by_output = False

    def applies(self, spec: ConvSpec) -> Remark | None:
        """Every dense conv has channels on both sides."""
        return common_refusal(spec)

    def full_rank(self, spec: ConvSpec) -> Rank:
        """The smaller sides of the M x (N k) matrix and of the N x (M k) matrix."""
        into, out, taps = spec.in_channels, spec.out_channels, prod(spec.kernel_shape)
        return (min(into, out * taps), min(out, into * taps))

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """The same eighths of the channels on both sides."""
        return cheaper(site, eighths(self.full_rank(site.spec)), self.chain)

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """M -> R1 pointwise, R1 -> R2 with the geometry of `spec`, R2 -> N pointwise."""
        axes = len(spec.kernel_shape)
        middle = replace(spec, in_channels=rank[0], out_channels=rank[1])
        return pointwise(spec.in_channels, rank[0], axes), middle, pointwise(rank[1], spec.out_channels, axes)

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """Of the core of the higher-order SVD: its leading corners, which are what `factor` keeps."""
        share = _shares(kernel)
        last, first = share.shape
        return tuple(float(share[min(rank[1], last) - 1, min(rank[0], first) - 1]) for rank in ranks)

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """Of drawn Gaussian kernels; of one with fewer channels in the same proportion where there are many."""
        shrink = min(1.0, _DRAWN_CHANNELS / max(spec.in_channels, spec.out_channels))
        into, out, *cut = (max(1, round(shrink * size)) for size in (spec.in_channels, spec.out_channels, *rank))
        share = _random_shares(out, into, prod(spec.kernel_shape))
        return float(share[min(cut[1], len(share)) - 1, min(cut[0], share.shape[1]) - 1])

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """Truncated higher-order SVD; the rows of Q and the columns of P are orthonormal."""
        core, first, last = _decomposed(kernel)
        return _factors(first[: rank[0]], core[: rank[1], : rank[0]], last[:, : rank[1]], spec)

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """Alternate the exact step for the core and the last conv together, and conjugate gradients on the first."""
        taps = prod(spec.kernel_shape)
        white = bottleneck.whitening(moments, taps)

        def respond(factors: Factors) -> Factors:
            first, core, _ = _unpack(factors)
            first = np.linalg.qr(first.T)[0].T
            last, middle = bottleneck.regressed(*bottleneck.compressed(moments, first, taps), len(core))
            return _factors(first, middle.reshape(core.shape), last, spec)

        def sweep(factors: Factors) -> Factors:
            first, core, last = _unpack(factors)
            rest = np.tensordot(last, core, 1)
            return respond(_factors(bottleneck.first_step(moments, first, rest, white), core, last, spec))

        return descend(moments, start, lambda factors: self.compose(factors, spec), respond, sweep, sweeps)

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """Sums over the channels on both sides of the middle conv."""
        first, core, last = _unpack(factors)
        return (last @ bottleneck.composed(first, core)).reshape(spec.weight_shape)

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """Three convs, one after the other, whatever the emission."""
        first, core, _ = factors.weights
        return in_a_row(self.chain(spec, (len(first), len(core))), factors)


def _decomposed(kernel: NDArray[_F]) -> tuple[NDArray[_F], NDArray[_F], NDArray[_F]]:
    """The whole higher-order SVD: core (R2, R1, k) at full rank, first (R1, M), last (N, R2), by falling strength."""
    count, channels = kernel.shape[:2]
    rows = kernel.reshape(count, -1)
    columns = _turned(rows, channels)
    last = bottleneck.leading(rows @ rows.T, min(rows.shape))
    first = bottleneck.leading(columns @ columns.T, min(columns.shape)).T
    core = _turned(first @ _turned(last.T @ rows, channels), last.shape[1])
    return core.reshape(last.shape[1], len(first), -1), first, last


def _turned(rows: NDArray[_F], size: int) -> NDArray[_F]:
    """From rows over columns (j, k) with `size` of j to rows j over columns (row, k)."""
    return rows.reshape(len(rows), size, -1).transpose(1, 0, 2).reshape(size, -1)


def _shares(kernel: NDArray[np.floating]) -> Array:
    """Share of the kernel's squared norm in the core's corner of each rank: (R2, R1) at full rank; 1 for zeros."""
    largest = np.abs(kernel).max()
    if largest == 0:
        return np.ones(kernel.shape[:2])
    core, _, _ = _decomposed(kernel / largest)
    kept = np.square(core).sum(axis=2, dtype=np.float64).cumsum(axis=0).cumsum(axis=1)
    share: Array = kept / kept[-1, -1]
    return share


@lru_cache(maxsize=64)
def _random_shares(out: int, into: int, taps: int) -> Array:
    """The mean of `_shares` over seeded Gaussian kernels; of large ones each is like the next."""
    draws = min(_MOST_DRAWS, 1 + _DRAWN_VALUES // (out * into * taps))
    drawn = np.random.default_rng(0).standard_normal((draws, out, into, taps))
    mean: Array = np.mean([_shares(kernel) for kernel in drawn], axis=0)
    return mean


def _factors(first: Array, core: Array, last: Array, spec: ConvSpec) -> Factors:
    """From Q (R1, M), G (R2, R1, k) and P (N, R2) to the weights of the chain."""
    ones = (1,) * len(spec.kernel_shape)
    return Factors(
        (
            first.reshape(*first.shape, *ones),
            core.reshape(*core.shape[:2], *spec.kernel_shape),
            last.reshape(*last.shape, *ones),
        )
    )


def _unpack(factors: Factors) -> tuple[Array, Array, Array]:
    """Q (R1, M), G (R2, R1, k) and P (N, R2) of the chain's weights."""
    first, core, last = factors.weights
    return first.reshape(len(first), -1), core.reshape(*core.shape[:2], -1), last.reshape(len(last), -1)

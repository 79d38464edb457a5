"""Fewer channels: the conv itself into R channels, then a pointwise conv (rank R).

    W'[n, m, k] = sum_r P[n, r] Q[r, m, k]

Weights only: the truncated SVD of the N x (M k) matrix (Denton et al. 2014, section 3.2; Zhang et al. 2015).
Data-aware: reduced-rank regression, the optimum in closed form (Izenman 1975). Stride, pads and dilations sit on the
first conv.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from convprof.forms.bottleneck import leading, regressed
from convprof.forms.chains import in_a_row
from convprof.forms.offers import cheaper, eighths
from convprof.forms.refusals import common_refusal
from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank, pointwise
from convprof.records.factors import Arrangement, Array, Factors
from convprof.records.plan import Emission
from convprof.records.remarks import Remark
from convprof.stats.spectrum import gaussian_energy, kept_energy


class Channel:
    """The same conv with fewer filters, mixed by a 1x1 conv."""

    name = "channel"
    emissions: tuple[Emission, ...] = ("sum",)
    short = 1
    by_output = False

    def applies(self, spec: ConvSpec) -> Remark | None:
        """Every dense conv has a matrix of filters."""
        return common_refusal(spec)

    def full_rank(self, spec: ConvSpec) -> Rank:
        """The smaller side of the N x (M k) matrix."""
        return (min(spec.out_channels, prod(spec.weight_shape[1:])),)

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """Eighths of the full rank."""
        return cheaper(site, eighths(self.full_rank(site.spec)), self.chain)

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """M -> R with the geometry of `spec`, then R -> N pointwise."""
        return replace(spec, out_channels=rank[0]), pointwise(rank[0], spec.out_channels, len(spec.kernel_shape))

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """Of all filters as one matrix."""
        return kept_energy(kernel.reshape(len(kernel), -1), [rank[0] for rank in ranks])

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """The filters are one Gaussian matrix N x (M k)."""
        return gaussian_energy(spec.out_channels, prod(spec.weight_shape[1:]), rank[0])

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """Truncated SVD; the columns of P are orthonormal."""
        flat = kernel.reshape(len(kernel), -1)
        mixing = leading(flat @ flat.T, rank[0])
        return _factors(mixing.T @ flat, mixing, spec)

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """One step, exact: there is nothing to alternate."""
        if sweeps < 1:
            return start
        mixing, filters = regressed(moments.covariance, moments.cross, len(start.weights[0]))
        return _factors(filters, mixing, spec)

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """Pointwise weights times filters."""
        filters, mixing = factors.weights
        return (mixing.reshape(len(mixing), -1) @ filters.reshape(len(filters), -1)).reshape(spec.weight_shape)

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """Two convs, one after the other, whatever the emission."""
        return in_a_row(self.chain(spec, (len(factors.weights[0]),)), factors)


def _factors(filters: Array, mixing: Array, spec: ConvSpec) -> Factors:
    """From Q (R, M k) and P (N, R) to the weights of the chain."""
    ones = (1,) * len(spec.kernel_shape)
    return Factors((filters.reshape(len(filters), *spec.weight_shape[1:]), mixing.reshape(*mixing.shape, *ones)))

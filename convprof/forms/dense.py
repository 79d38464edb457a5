"""The conv itself, its numbers fitted anew: for a conv that stays dense behind others that do not.

    W' = C S^-1

The plain regression of the response on the patch. It has no rank and saves nothing, so it is never offered; what it
does is to repair, at no cost, what the convs before it broke.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convprof.forms.chains import in_a_row
from convprof.forms.least_squares import solve
from convprof.forms.refusals import common_refusal
from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.factors import Arrangement, Array, Factors
from convprof.records.plan import Emission
from convprof.records.remarks import Remark


class Dense:
    """The same conv with other weights."""

    name = "dense"
    emissions: tuple[Emission, ...] = ("sum",)
    short = 1
    by_output = True

    def applies(self, spec: ConvSpec) -> Remark | None:
        """The convs that others replace; a refitted 1x1 on a shortcut was measured to do harm (decision 0020)."""
        return common_refusal(spec)

    def full_rank(self, spec: ConvSpec) -> Rank:
        """No number: it is exact as it is."""
        return ()

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """None: it is not cheaper."""
        return ()

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """The conv alone."""
        return (spec,)

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """All of it."""
        return (1.0,) * len(ranks)

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """All of it."""
        return 1.0

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """The kernel."""
        return Factors((kernel,))

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """One step, exact: there is nothing to alternate."""
        if sweeps < 1:
            return start
        return Factors((solve(moments.covariance, moments.cross).reshape(spec.weight_shape),))

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """The kernel."""
        return factors.weights[0]

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """One conv."""
        return in_a_row(self.chain(spec, ()), factors)

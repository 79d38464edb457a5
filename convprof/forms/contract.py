"""What a form must offer: it replaces one dense convolution by a chain of cheaper ones, or `dense` by itself.

A form knows no file format and no framework; kernels are float64 arrays (out_channels, in_channels, *kernel_shape)
and a rank is a tuple of whole numbers, empty for a form that factors nothing. Laws that hold for every form
(tests/laws):

- `factor` and `fit` return weights shaped as `chain` says;
- at `full_rank` the composed kernel is the kernel;
- the weights-only error never rises with the rank;
- running the chain equals running the composed kernel;
- every emission of `arrange` computes the same function;
- `fit` is never worse on its objective than the factors it starts from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convprof.moments import Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.factors import Arrangement, Array, Factors
from convprof.records.plan import Emission
from convprof.records.remarks import Remark


class Form(Protocol):
    """One way to factor a dense convolution."""

    name: str
    emissions: tuple[Emission, ...]
    """The ways it can be written into a graph, the default first."""
    short: int
    """Sweeps of a fit that is to tell how good a longer one would be."""
    by_output: bool
    """Whether each output channel is factored on its own, so that some of them tell what all would."""

    def applies(self, spec: ConvSpec) -> Remark | None:
        """None, or the reason why this form cannot replace a conv of this geometry."""

    def full_rank(self, spec: ConvSpec) -> Rank:
        """The largest rank that still adds something: the factorisation is exact there."""

    def ranks(self, site: ConvSite) -> tuple[Rank, ...]:
        """The ranks worth offering at this place, gentle steps from cheap to dear, each cheaper than the dense conv."""

    def chain(self, spec: ConvSpec, rank: Rank) -> tuple[ConvSpec, ...]:
        """The convs that stand in for `spec`; the bias sits on the last one."""

    def energy(self, kernel: NDArray[np.floating], ranks: Sequence[Rank]) -> tuple[float, ...]:
        """Share of the kernel's squared norm that `factor` keeps at each rank, 0..1; 1 for a kernel of zeros."""

    def energy_random(self, spec: ConvSpec, rank: Rank) -> float:
        """The same share for a Gaussian kernel of this shape (expected value)."""

    def factor(self, kernel: Array, spec: ConvSpec, rank: Rank) -> Factors:
        """Factors near to the kernel in the Frobenius norm, the nearest where a closed form is known; no bias."""

    def fit(self, moments: Moments, spec: ConvSpec, start: Factors, sweeps: int) -> Factors:
        """Factors that lower `moments.error` of the composed kernel, sweep by sweep, from `start`; no bias."""

    def compose(self, factors: Factors, spec: ConvSpec) -> Array:
        """The dense kernel that the chain equals."""

    def arrange(self, factors: Factors, spec: ConvSpec, emission: Emission) -> Arrangement:
        """The convs to write into a graph, with their weights, for one of `emissions`."""

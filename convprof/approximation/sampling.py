"""Which output positions of how many inputs a layer is fitted to, and their moments, chunk by chunk.

Every so many inputs one is held out, so that how to fit can be chosen on what the fit has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof.approximation.behind import ActivatedResponse
from convprof.approximation.curves import Curve
from convprof.approximation.evidence import Part
from convprof.moments import Gatherer, Rows, positions_per_input
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array

Values = NDArray[Any]

ROWS_PER_UNKNOWN = 40
_KEPT_BYTES = 1 << 28
_KEPT_PER_UNKNOWN = 6
_KEPT_AT_LEAST = 1 << 13
_KEPT_ENOUGH = 4
_HOLD_OUT_EVERY = 8
_FEW_SAMPLES = 256
_FEW_ROWS_PER_UNKNOWN = 10


@dataclass(frozen=True)
class Sampling:
    """How one layer of `spec` is sampled, of which there are `samples` inputs with outputs of `output_size`.

    `layer` is what errors call it. `hold_out` says whether a part of more than one input is held out.
    """

    layer: str
    spec: ConvSpec
    output_size: tuple[int, ...]
    samples: int
    seed: int
    hold_out: bool = True

    @property
    def unknowns(self) -> int:
        """Unknowns of the regression of one response."""
        return prod(self.spec.weight_shape[1:])

    @property
    def positions(self) -> int:
        """Output positions to sample of each input, where there are so many."""
        return positions_per_input(self.spec.weight_shape, self.samples, ROWS_PER_UNKNOWN)

    @property
    def rows(self) -> int:
        """Positions sampled of all inputs together."""
        return self.samples * min(self.positions, prod(self.output_size))

    @property
    def few(self) -> bool:
        """Whether there is too little data to trust a fit unseen."""
        return self.samples < _FEW_SAMPLES or self.rows < _FEW_ROWS_PER_UNKNOWN * self.unknowns

    @property
    def enough_rows(self) -> bool:
        """Whether there are rows enough to fit to what an activation makes of them."""
        return self.rows >= _KEPT_ENOUGH * self.unknowns

    @property
    def hold_out_every(self) -> int | None:
        """Every how many inputs one is held out; None where none is."""
        return min(_HOLD_OUT_EVERY, self.samples) if self.samples > 1 and self.hold_out else None

    @property
    def keep_every(self) -> int:
        """Which rows are kept one by one, so that they fit into memory and into the time that the rest takes."""
        row_bytes = 4 * (self.unknowns + 2 * self.spec.out_channels)
        kept = min(max(_KEPT_AT_LEAST, _KEPT_PER_UNKNOWN * self.unknowns), _KEPT_BYTES // row_bytes)
        return max(1, self.rows // kept)


class Gathering:
    """Two gatherers, one for the inputs held out, filled chunk by chunk."""

    def __init__(self, sampling: Sampling, kernel: Array, bias: Values | None, *, keep: bool) -> None:
        """Gather for the layer whose dense `kernel` and `bias` these are; with `keep` rows are kept one by one."""
        self._kernel, self._bias = kernel, bias
        self._samples = 0
        self._hold_out_every = sampling.hold_out_every
        self._keep = keep
        every = sampling.keep_every if keep else None
        self._parts = [
            Gatherer(sampling.spec, sampling.positions, 2 * sampling.seed + n, keep_every=every, layer=sampling.layer)
            for n in (0, 1)
        ]

    def add(self, inputs: Values, total: Values, other: Values | None = None) -> None:
        """One chunk of inputs, of what the sum behind the layer should be, and of what is added to the response."""
        target = total if other is None else total - other
        for gatherer, chosen in self._split(len(inputs)):
            gatherer.add(inputs[chosen], target[chosen], None if other is None else other[chosen])

    def add_dense(self, inputs: Values) -> None:
        """One chunk of inputs, answered by the original conv."""
        for gatherer, chosen in self._split(len(inputs)):
            gatherer.add_inputs(inputs[chosen], self._kernel, self._bias)

    @cached_property
    def rows(self) -> list[Rows]:
        """The rows kept of the part to fit on and of the part held out; none where none are."""
        used = self._parts if self._hold_out_every else self._parts[:1]
        return [part.rows() for part in used] if self._keep else []

    def train(self, original: Gathering | None = None, bent: Curve | None = None) -> Part:
        """The part to fit on, with what the original network's inputs said and the activation behind it."""
        return self._part(0, original, bent)

    def held(self, original: Gathering | None = None, bent: Curve | None = None) -> Part | None:
        """The part held out."""
        return None if self._hold_out_every is None else self._part(1, original, bent)

    def _part(self, number: int, original: Gathering | None, bent: Curve | None) -> Part:
        gatherer = self._parts[number]
        teacher = None if original is None else original._parts[number].moments()
        return Part(gatherer.moments(), teacher, ActivatedResponse(self.rows[number], bent) if bent else None)

    def _split(self, count: int) -> list[tuple[Gatherer, NDArray[np.bool_]]]:
        every, numbers = self._hold_out_every, np.arange(self._samples, self._samples + count)
        self._samples += count
        held = np.zeros(count, bool) if every is None else numbers % every == every - 1
        return [(part, mask) for part, mask in zip(self._parts, (~held, held), strict=True) if mask.any()]

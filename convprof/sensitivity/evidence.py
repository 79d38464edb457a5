"""What a layer sees of the original network's activations, and how far a fitted candidate falls short of its responses.

Fitted to some of the inputs and judged on others: rows that are few for the unknowns would flatter large ranks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec
import numpy as np

from convprof.forms import Form
from convprof.graph import ConvNode
from convprof.moments import RIDGE, Array, Gatherer, Moments, positions_per_input
from convprof.records.convs import ConvSpec, Rank

_ROWS_PER_UNKNOWN = 10
_ROWS_PER_UNKNOWN_WIDE = 5
_WIDE = 2048
"""Unknowns of the regression of one response from which on a row costs more than it tells."""
_HOLD_OUT_EVERY = 8
_FEW_ROWS_PER_UNKNOWN = 5
_FEW_RIDGE = 1e-2
_OUTPUTS = 64


@dataclass(frozen=True)
class Shortfall:
    """A fitted candidate: its error, its dense kernel and bias, or None where only some outputs were fitted."""

    form: str
    rank: Rank
    error: float
    dense: tuple[Array, Array] | None


@dataclass(frozen=True)
class Evidence:
    """A dense conv, moments of the inputs to fit to, and of those to judge on (None for a single input)."""

    spec: ConvSpec
    kernel: Array
    train: Moments
    held: Moments | None

    def shortfall(self, form: Form, rank: Rank, sweeps: int) -> Shortfall:
        """What a short fit of the candidate, of `sweeps` at most, leaves undone."""
        if form.by_output and self.spec.out_channels > _OUTPUTS:
            return replace(self._some_outputs._fitted(form, rank, sweeps), dense=None)
        return self._fitted(form, rank, sweeps)

    def _fitted(self, form: Form, rank: Rank, sweeps: int) -> Shortfall:
        start = form.factor(self.kernel, self.spec, rank)
        kernel = form.compose(form.fit(self._ridged, self.spec, start, min(form.short, sweeps)), self.spec)
        bias = self.train.best_bias(kernel)
        error = (self.held or self.train).relative_error(kernel, bias if self.held else None)
        return Shortfall(form.name, rank, error, (kernel, bias))

    @cached_property
    def _ridged(self) -> Moments:
        few = self.train.count < _FEW_ROWS_PER_UNKNOWN * len(self.train.covariance)
        return self.train.ridged(self.kernel, _FEW_RIDGE if few else RIDGE)

    @cached_property
    def _some_outputs(self) -> Evidence:
        """The same layer with fewer outputs, from the weakest response to the strongest."""
        order = np.argsort(_powers(self.train, self.kernel), kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, _OUTPUTS).round().astype(int)]
        return Evidence(
            msgspec.structs.replace(self.spec, out_channels=_OUTPUTS),
            self.kernel[chosen],
            _of_outputs(self.train, self.kernel, chosen),
            None if self.held is None else _of_outputs(self.held, self.kernel, chosen),
        )


class Gathering:
    """Takes in a conv's inputs chunk by chunk; the targets are its own responses."""

    def __init__(self, conv: ConvNode, samples: int, seed: int) -> None:
        """Sample positions of `samples` inputs, in an order that `seed` decides."""
        self._conv = conv
        self._kernel = conv.kernel().astype(np.float64)
        self._every = min(_HOLD_OUT_EVERY, samples) if samples > 1 else None
        self._seen = 0
        wide = self._kernel[0].size > _WIDE
        rows = _ROWS_PER_UNKNOWN_WIDE if wide else _ROWS_PER_UNKNOWN
        positions = positions_per_input(self._kernel.shape, samples, rows)
        spec, layer = conv.known_site.spec, f"layer {conv.name!r}"
        self._train, self._held = (Gatherer(spec, positions, 2 * seed + part, layer=layer) for part in (0, 1))

    def add(self, chunks: Iterable[Array]) -> None:
        """Add chunks of inputs (n, M, *input size)."""
        bias = self._conv.bias()
        for inputs in chunks:
            numbers = np.arange(self._seen, self._seen + len(inputs))
            held = np.zeros(len(inputs), bool) if self._every is None else numbers % self._every == self._every - 1
            self._seen += len(inputs)
            for gatherer, mask in ((self._train, ~held), (self._held, held)):
                if mask.any():
                    gatherer.add_inputs(inputs[mask], self._kernel, bias)

    def evidence(self) -> Evidence:
        """Everything added so far; raises DataError where it is nothing or no number."""
        held = None if self._every is None else self._held.moments()
        return Evidence(self._conv.known_site.spec, self._kernel, self._train.moments(), held)


def _powers(moments: Moments, kernel: Array) -> Array:
    """Power of each response of the conv itself, whose cross moments are W S."""
    powers: Array = np.sum(kernel.reshape(len(kernel), -1) * moments.cross, axis=1)
    return powers


def _of_outputs(moments: Moments, kernel: Array, chosen: Array) -> Moments:
    return replace(
        moments,
        response_mean=moments.response_mean[chosen],
        cross=moments.cross[chosen],
        power=float(_powers(moments, kernel)[chosen].sum()),
    )

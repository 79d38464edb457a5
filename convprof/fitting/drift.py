"""How far the model's outputs move as one layer after the other is converted.

A walk of the original network over a few samples, with one version of them more for each converted layer: the values
behind that layer as the network converted so far has them. All versions walk on together, so that every node is opened
once and runs once for each version, half a network each on average. In the end all of them stand at the outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from convprof.data import Batches
from convprof.execution import Values, Walk, spread
from convprof.graph import ConvNode, Model
from convprof.holding import Store
from convprof.runtime import RunOptions
from convprof.stats.comparison import relative_norm

_FEWEST, _MOST = 8, 32


class Drift:
    """Versions of a few samples: as the original has them, and with the first, the first two, ... layers converted."""

    def __init__(self, model: Model, batches: Batches, layers: int, options: RunOptions, store: Store | None) -> None:
        """Take so many samples that `layers` versions of half a network are a quarter of a pass over the data.

        Run in small portions they take about twice as long as that. Never fewer than eight samples.

        Nothing is measured where the model fixes a larger batch, or has no output that is computed and a number.
        """
        samples = max(_FEWEST, min(_MOST, batches.count // (2 * max(layers, 1))))
        feeds = spread(model, batches, samples) if model.numeric_outputs else []
        self._chunks = len(feeds)
        self._outputs = model.numeric_outputs
        self._versions = 0
        self._walk = Walk(model, feeds, options, store, kept=self._outputs) if feeds else None

    def convert(self, conv: ConvNode, student: Walk) -> None:
        """Add the version in which `conv`, which `student` has just replaced and stands in front of, is converted."""
        self._versions += 1
        if self._walk is None:
            return
        self._walk.reach(conv.input_name, conv.output_name)
        seen = ({conv.input_name: values} for values in self._walk.last(conv.input_name, self._chunks))
        responses = list(student.glance(conv.output_name, seen))
        self._walk.fork(conv.output_name, responses)
        self._walk.forget()

    def errors(self) -> list[float | None]:
        """For each converted layer |b - a| / |a|, a being the original's outputs and b those of its version.

        Of several outputs the worst counts; None where it is no number or was not measured.
        """
        if self._walk is None:
            return [None] * self._versions
        outputs = [self._errors(self._walk.reach(name)) for name in self._outputs]
        return [_worst(each) for each in zip(*outputs, strict=True)]

    def _errors(self, values: Iterator[Values]) -> list[float | None]:
        """The error of each version in one output, given for all chunks, those of the original first."""
        original = [part.astype(np.float64) for part in islice(values, self._chunks)]
        return [_error(original, islice(values, self._chunks)) for _ in range(self._versions)]


def _error(original: Sequence[Values], converted: Iterator[Values]) -> float | None:
    error = power = 0.0
    with np.errstate(invalid="ignore", over="ignore"):  # infinities leave no number, and that is said
        for before, after in zip(original, converted, strict=True):
            error += float(np.square(after.astype(np.float64) - before).sum())
            power += float(np.square(before).sum())
    return relative_norm(math.sqrt(error), math.sqrt(power))


def _worst(errors: Sequence[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return max(known) if len(known) == len(errors) else None

"""How far the model's outputs move where one layer alone errs as one of its candidates does.

A walk of the original network over a few samples, with one version of them more for each disturbed layer: the values
behind that layer as the candidate would have them. All versions walk on together, half a network each on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import isfinite

import numpy as np

from convprof.data import Batches
from convprof.execution import Values, Walk, spread
from convprof.graph import ConvNode, Model
from convprof.holding import Store
from convprof.records.factors import Array, ConvStep
from convprof.runtime import RunOptions
from convprof.stats.comparison import relative_square

_SAMPLES = 32


class Probes:
    """A few samples as the original has them, and once more for each layer that was disturbed."""

    def __init__(self, model: Model, batches: Batches, options: RunOptions, store: Store | None) -> None:
        """Stand at the inputs; nothing is measured where no output is a number, or the model's batch is too large."""
        feeds = spread(model, batches, _SAMPLES) if model.numeric_outputs else []
        self._count = len(feeds)
        self._outputs = model.numeric_outputs
        self._versions = 0
        self._walk = Walk(model, feeds, options, store, kept=self._outputs) if feeds else None

    def disturb(self, conv: ConvNode, kernel: Array, bias: Array) -> None:
        """Add the version in which `conv`, the next one of the walk, has this dense kernel and bias."""
        self._versions += 1
        if self._walk is None:
            return
        self._walk.reach(conv.input_name, conv.output_name)
        responses = self._walk.instead(conv.name, (ConvStep(conv.known_site.spec, kernel, bias),), self._count)
        self._walk.fork(conv.output_name, list(responses), first=True)
        self._walk.forget()

    def damages(self) -> list[float] | None:
        """The relative squared error of the outputs of each version, in order; of several outputs the worst.

        None where it was not measured, or is no number.
        """
        if self._walk is None:
            return None
        outputs = [list(self._split(self._walk.reach(name))) for name in self._outputs]
        found = [[relative_square(versions[0], version) for version in versions[1:]] for versions in outputs]
        worst = [max(each) for each in zip(*found, strict=True)]
        return worst if all(map(isfinite, worst)) else None

    def _split(self, values: Iterator[Values]) -> Iterator[Values]:
        """The values of each version, the original's first."""
        for _ in range(self._versions + 1):
            yield np.concatenate(list(islice(values, self._count)))

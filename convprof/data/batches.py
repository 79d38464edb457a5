"""Samples on their way into a model, batch by batch: what every stage that needs data is handed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from convprof.data.columns import Array, Indices
from convprof.data.feeds import Feed
from convprof.data.pixels import Pixels
from convprof.errors import DataError, UsageError

FINGERPRINT_SAMPLES = 8
"""How many samples, evenly spread, stand for the content."""


@dataclass(frozen=True, eq=False)
class Batches:
    """`count` samples from sample `start` of `what` on, and their labels, samples on axis 0.

    `labels` is None where none were asked for. Nothing is read or computed before a method asks for it.
    """

    what: str
    count: int
    labels: Array | None = field(repr=False)
    feeds: tuple[Feed, ...] = field(repr=False)
    start: int = 0

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of one sample for each input, batch size 1 included: concrete where the model's is symbolic."""
        return {feed.name: (1, *feed.shape[1:]) for feed in self.feeds}

    def pixels(self, name: str) -> Pixels | None:
        """How the input called `name` is made of pictures; None where it is not."""
        return next((feed.pixels for feed in self.feeds if feed.name == name), None)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over names, shapes, types and a few samples, as the model is fed them, and their labels."""
        digest = hashlib.sha256()
        for feed in self.feeds:
            digest.update(repr((feed.name, feed.dtype.str, self.count, feed.shape[1:])).encode())
        if self.labels is not None:
            digest.update(repr((self.labels.dtype.str, self.labels.shape)).encode())
        for index in np.unique(np.linspace(0, self.count - 1, FINGERPRINT_SAMPLES).astype(int)).tolist():
            for values in self._read(index, index + 1).values():
                digest.update(values.tobytes())
            if self.labels is not None:
                digest.update(self.labels[index].tobytes())
        return digest.hexdigest()

    def batches(self, size: int) -> Iterator[dict[str, Array]]:
        """Feeds of `size` samples in order, the last one of what is left: input name -> new array of the input's type.

        Raises UsageError for a size below 1, DataError for samples that cannot be read or hold NaN or Inf.
        """
        if size < 1:
            raise UsageError("batch size", f"{size} is not a number of samples", "at least 1")
        return (self._read(start, min(start + size, self.count)) for start in range(0, self.count, size))

    def first(self, count: int) -> dict[str, Array]:
        """One feed of the first `count` samples, or of all where there are fewer; errors as in `batches`."""
        return next(self.batches(count))

    def pick(self, indices: Indices) -> dict[str, Array]:
        """One feed of the samples of those numbers, 0 to count - 1, in that order; only they are read.

        Raises DataError as `batches` does.
        """
        return {feed.name: feed.pick(self.start + indices) for feed in self.feeds}

    def take(self, count: int) -> Batches:
        """The first `count` samples, or all where there are fewer; raises DataError where none would be left."""
        return self.slice(0, count)

    def slice(self, start: int, stop: int) -> Batches:
        """The samples [start, stop), stop cut off at the end; raises DataError where none would be left."""
        stop = min(stop, self.count)
        if not 0 <= start < stop:
            why = f"no samples in [{start}, {stop}) of {self.count}"
            raise DataError(self.what, why, "give more data or ask for fewer samples")
        labels = None if self.labels is None else self.labels[start:stop]
        return replace(self, count=stop - start, labels=labels, start=self.start + start)

    def _read(self, start: int, stop: int) -> dict[str, Array]:
        return {feed.name: feed.read(self.start + start, self.start + stop) for feed in self.feeds}

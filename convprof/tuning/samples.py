"""Which samples a step trains on and which are held out: decided by the seed and the step's number alone.

So a run that goes on later, or in several processes, sees what it would have seen. Samples stay where the data has
them; only those of the batch are read, by each of several processes its share of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convprof.data import Batches
from convprof.errors import DataError, UsageError
from convprof.tuning import settings
from convprof.tuning.together import Together

_SPLIT, _ORDER = 0, 1


@dataclass(frozen=True)
class Batch:
    """Feeds by input name, samples on axis 0, and their labels if there are any.

    `number` is the step, or the place among the held-out batches, `numbers` are those of the samples. A share of a
    batch is the one behind `before` others, of `whole` samples altogether.
    """

    number: int
    numbers: NDArray[np.int64]
    feeds: dict[str, Tensor]
    labels: Tensor | None
    before: int
    whole: int

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(next(iter(self.feeds.values())))


class Samples:
    """The data of a run, split into a part to train on and a part that is held out."""

    def __init__(self, batches: Batches, size: int, seed: int, together: Together, whole: bool = False) -> None:
        """Split; `size` samples make a batch of all processes, with `whole` every batch has as many.

        Raises DataError where there are too few, UsageError where a batch has fewer than there are processes.
        """
        fewest = max(settings.FEWEST, 2 * size if whole else 0)
        if batches.count < fewest:
            why = f"{batches.count} samples are too few to train on some and hold out others"
            raise DataError(batches.what, why, f"give {fewest} or more, better some thousands")
        self._batches, self._seed, self.together = batches, seed, together
        shuffled = np.random.default_rng([seed, _SPLIT]).permutation(batches.count)
        count = held_out_count(batches.count)
        if whole:
            count = max(count - count % size, size)
        self.held_out: NDArray[np.int64] = np.sort(shuffled[:count])
        self.training: NDArray[np.int64] = np.sort(shuffled[count:])
        self.size = min(size, len(self.training))
        if self.size < together.count:
            raise UsageError("--batch", f"{together.count} processes cannot share {self.size} samples", "raise it")
        self._held_out_size = size // together.count if whole else size
        self._order = (-1, self.training)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in one pass over the part to train on."""
        return len(self.training) // self.size

    @property
    def count(self) -> int:
        """All samples there are, held out or not."""
        return self._batches.count

    @property
    def labels(self) -> NDArray[Any] | None:
        """All labels there are."""
        return self._batches.labels

    @property
    def classes(self) -> bool:
        """Whether the labels are numbers of classes, one a sample."""
        labels = self._batches.labels
        return labels is not None and labels.ndim == 1 and labels.dtype.kind in "iu"

    def batch(self, step: int) -> Batch:
        """The batch of step `step`, counted from 0: every epoch runs over all samples in an order of its own."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self._seed, _ORDER, epoch]).permutation(self.training)
        whole = self._order[1][place * self.size : (place + 1) * self.size]
        share = self.together.share(self.size)
        return self._read(step, whole[share], share.start, self.size)

    def held_out_batches(self, every: int = 1, first: int = 0) -> Iterator[Batch]:
        """The held-out part, batch by batch, always in the same order; or every so many batches from the `first` on."""
        starts = range(0, len(self.held_out), self._held_out_size)
        for number, start in list(enumerate(starts))[first::every]:
            indices = self.held_out[start : start + self._held_out_size]
            yield self._read(number, indices, 0, len(indices))

    def held_out_share(self) -> Iterator[Batch]:
        """The share of the held-out batches."""
        return self.held_out_batches(self.together.count, self.together.rank)

    @property
    def passes(self) -> int:
        """How many batches hold the share of all samples."""
        first, last, _ = self.together.share(self.count).indices(self.count)
        return math.ceil((last - first) / self._held_out_size)

    def everything(self) -> Iterator[Batch]:
        """The share of all samples, batch by batch in their order; the last batch is as large as the others."""
        share = np.arange(self.count)[self.together.share(self.count)]
        for number in range(self.passes):
            start = min(number * self._held_out_size, max(0, len(share) - self._held_out_size))
            indices = share[start : start + self._held_out_size]
            yield self._read(number, indices, 0, len(indices))

    def _read(self, number: int, indices: NDArray[np.int64], before: int, whole: int) -> Batch:
        feeds = {name: self._tensor(values) for name, values in self._batches.pick(indices).items()}
        labels = self._batches.labels
        return Batch(number, indices, feeds, None if labels is None else self._tensor(labels[indices]), before, whole)

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        """On the device; floating-point numbers in float32, in which networks are trained."""
        wide = values.astype(np.float32) if values.dtype.kind == "f" else np.array(values)
        return torch.from_numpy(wide).to(self.together.device)


def held_out_count(count: int) -> int:
    """How many of so many samples are held out."""
    share = max(settings.HELD_OUT * count, min(count / 5, settings.LIKED_HELD_OUT))
    return max(1, round(min(share, settings.MOST_HELD_OUT)))

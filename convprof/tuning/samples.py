"""Which samples a step trains on and which are held out: decided by the seed and the step's number alone.

So a run that goes on later, or in several processes, sees what it would have seen. Samples stay where the data has
them; only those of the batch are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convprof.data import Batches
from convprof.errors import DataError
from convprof.tuning import settings

_SPLIT, _ORDER = 0, 1


@dataclass(frozen=True)
class Batch:
    """Feeds by input name, samples on axis 0, and their labels if there are any."""

    feeds: dict[str, Tensor]
    labels: Tensor | None

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(next(iter(self.feeds.values())))


class Samples:
    """The data of a run, split into a part to train on and a part that is held out."""

    def __init__(self, batches: Batches, size: int, seed: int, device: torch.device) -> None:
        """Split; `size` samples make a batch. Raises DataError where there are too few samples."""
        if batches.count < settings.FEWEST:
            why = f"{batches.count} samples are too few to train on some and hold out others"
            raise DataError(batches.what, why, f"give {settings.FEWEST} or more, better some thousands")
        self._batches, self._seed, self._device = batches, seed, device
        shuffled = np.random.default_rng([seed, _SPLIT]).permutation(batches.count)
        share = max(settings.HELD_OUT * batches.count, min(0.2 * batches.count, 100))
        count = min(settings.MOST_HELD_OUT, max(1, round(share)))
        self.held_out: NDArray[np.int64] = np.sort(shuffled[:count])
        self.training: NDArray[np.int64] = np.sort(shuffled[count:])
        self.size = min(size, len(self.training))

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in one pass over the part to train on."""
        return len(self.training) // self.size

    def batch(self, step: int) -> Batch:
        """The batch of step `step`, counted from 0: every epoch runs over all samples in an order of its own."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, _ORDER, epoch]).permutation(len(self.training))
        return self._read(self.training[order[place * self.size : (place + 1) * self.size]])

    def held_out_batches(self) -> Iterator[Batch]:
        """The held-out part, batch by batch, always in the same order."""
        for start in range(0, len(self.held_out), self.size):
            yield self._read(self.held_out[start : start + self.size])

    def _read(self, indices: NDArray[np.int64]) -> Batch:
        feeds = {name: self._tensor(values) for name, values in self._batches.pick(indices).items()}
        labels = self._batches.labels
        return Batch(feeds, None if labels is None else self._tensor(labels[indices]))

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

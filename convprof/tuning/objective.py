"""What one stage of training lowers: the seam between the methods and the loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from convprof.torch import Module
from convprof.tuning.answers import Answers
from convprof.tuning.samples import Batch
from convprof.tuning.together import Together


class Objective(nn.Module):
    """A loss on a batch, and a measure on the held-out part.

    It is a module so that it can be wrapped, and is called with a batch. `trained` are the parameters that the loop
    changes, by the student's names; the loop averages them and the student's statistics. A teacher is no part of the
    module: hold it in a tuple. Of several processes each calls it with its share of a batch; the loss is the mean over
    the samples there, or is made so by `power`. `answers` of a teacher can be remembered before the first step.
    """

    measure: str
    better: Literal["lower", "higher"] = "lower"
    answers: Answers | None = None

    def __init__(self, student: Module, trained: Mapping[str, nn.Parameter], together: Together) -> None:
        super().__init__()
        self.student: Module = student
        self.together = together
        self.trained = dict(trained)

    def forward(self, batch: Batch) -> Tensor:
        """The loss, one number that can be differentiated."""
        raise NotImplementedError

    def power(self, target: Tensor, batch: Batch) -> Tensor:
        """The mean square of a target over the whole of a batch, for a loss that is relative to it."""
        return self.together.mean(target.square().mean() * self.together.weight(batch.count, batch.whole))

    def tally(self, batch: Batch) -> tuple[float, float]:
        """Two sums over a held-out batch, of which `figure` makes the measure; processes have different batches."""
        raise NotImplementedError

    def figure(self, above: float, below: float) -> float:
        """The measure, from the sums over all held-out batches."""
        return above / below

"""The student learns the features before the global pool, by their squared error: as PRACTISE does.

Wang et al. 2023, practical network acceleration with tiny sets: there blocks were dropped, here convs are replaced.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convprof.records.tuning import TunedStage
from convprof.torch import Module
from convprof.tuning.methods import METHODS, Work
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Batch

_POOLS = frozenset({"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "MaxPool", "AveragePool"})


class _Features(Objective):
    """The squared error of the last features that are still maps."""

    measure = "features"

    def __init__(self, work: Work) -> None:
        super().__init__(work.student, work.trained, work.together)
        assert work.teacher is not None
        self._teacher: tuple[Module] = (work.teacher,)
        pools = [step for step in work.teacher.network.steps if step.op_type in _POOLS]
        self._name = pools[-1].inputs[0]

    def forward(self, batch: Batch) -> Tensor:
        """Mean over the features."""
        return self._error(batch).mean()

    def tally(self, batch: Batch) -> tuple[float, float]:
        """Sum, and number of features."""
        error = self._error(batch)
        return float(error.sum()), error.numel()

    def _error(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            wanted = self._teacher[0].run(batch.feeds, [self._name])[self._name].float()
        return (self.student.run(batch.feeds, [self._name])[self._name].float() - wanted).square()


class Mimicry:
    """A method as convprof's own are."""

    name = "mimicry"
    needs_teacher = True
    needs_labels = False

    def run(self, work: Work) -> tuple[TunedStage, ...]:
        """One stage."""
        return (work.train(_Features(work), 1.0),)


def register() -> None:
    """Let recipes name it."""
    METHODS["mimicry"] = Mimicry()

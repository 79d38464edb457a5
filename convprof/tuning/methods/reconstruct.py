"""The student learns to make at the end of every block what the teacher makes there, and its outputs; no labels.

Blocks are cut as BRECQ's are (Li et al. 2021, arXiv 2102.05426, section 3.3), the values at their ends are hints as in
FitNets (Romero et al. 2015, arXiv 1412.6550); each block gets the student's own input, so that it also repairs what
those before it leave wrong. All are trained at once, every error through all blocks before it: one by one, front to
back, as for rounded weights, came out worse in more time (docs/decisions/0031-recipe.md). The loss is the squared
error relative to the squared norm of the target, mean over the values compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from convprof.errors import UsageError
from convprof.records.tuning import TunedStage
from convprof.torch.composing import composed
from convprof.tuning import losses
from convprof.tuning.blocks import block_ends
from convprof.tuning.methods.contract import Work
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Batch
from convprof.tuning.targets import find_targets


class Reconstruction(Objective):
    """How far what the student makes at the ends of blocks is from what the teacher makes there."""

    measure = "relative_l2"

    def __init__(self, work: Work) -> None:
        super().__init__(work.student, work.trained, work.together)
        assert work.teacher is not None
        self._teacher = (work.teacher,)
        self._names = _compared(work)

    def forward(self, batch: Batch) -> Tensor:
        """The mean of the relative squared errors."""
        pairs = list(self._pairs(batch))
        return torch.stack([losses.relative(ours, theirs, self.power(theirs, batch)) for ours, theirs in pairs]).mean()

    def tally(self, batch: Batch) -> tuple[float, float]:
        """The loss, weighted by the number of samples, and that number."""
        errors = [losses.relative(ours, theirs) for ours, theirs in self._pairs(batch)]
        return float(torch.stack(errors).mean()) * batch.count, batch.count

    def _pairs(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        with torch.no_grad():
            theirs = self._teacher[0].run(batch.feeds, self._names)
        ours = self.student.run(batch.feeds, self._names)
        for name in self._names:
            yield ours[name].float(), theirs[name].float()

    def figure(self, above: float, below: float) -> float:
        """The root of the mean relative squared error."""
        return math.sqrt(above / below)


class Reconstruct:
    """Imitate the teacher at the end of every block."""

    name = "reconstruct"
    needs_teacher = True
    needs_labels = False

    def run(self, work: Work) -> tuple[TunedStage, ...]:
        """One stage."""
        return (work.train(Reconstruction(work), 1.0),)


@torch.no_grad()
def _compared(work: Work) -> list[str]:
    """The values at the ends of blocks, and the outputs: numbers that both networks make in the same shape."""
    assert work.teacher is not None
    batch = next(work.samples.held_out_batches())
    known = {name for step in work.teacher.network.steps for name in step.outputs}
    ends = block_ends(composed(work.student), set(work.student.names.values()), known)
    names = list(dict.fromkeys((*ends, *(target.name for target in find_targets(work.teacher, batch)))))
    ours, theirs = (module.run(batch.feeds, names) for module in (work.student, work.teacher))
    found = [
        name
        for name in names
        if theirs[name].is_floating_point() and theirs[name].numel() and ours[name].shape == theirs[name].shape
    ]
    if not found:
        raise UsageError("--recipe reconstruct", "the model's values are no floating-point numbers", "leave it out")
    return found

"""Block by block, front to back, the student learns to make of its own values what the teacher makes of the teacher's.

Each block is trained alone, on the input that the blocks before it, already trained, give it in the student; its target
is what the original block makes of the original input, so that it also repairs what they leave wrong. Block-wise
reconstruction is BRECQ's (Li et al. 2021, arXiv 2102.05426, section 3.3), the asymmetric target AdaRound's (Nagel et
al. 2020, arXiv 2004.10568, section 3.3) and QDrop's (Wei et al. 2022, arXiv 2203.05740); there for rounded weights,
here for factors. The loss is the squared error relative to the squared norm of the target. No labels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convprof.records.tuning import TunedStage
from convprof.torch.composing import MARK, composed
from convprof.tuning import losses, settings
from convprof.tuning.blocks import Block, cut
from convprof.tuning.methods.contract import Work
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Batch
from convprof.tuning.targets import find_targets

Values = dict[str, Tensor]


class Mimicry(Objective):
    """How far the outputs of one block are from the teacher's."""

    measure = "relative_l2"

    def __init__(self, work: Work, block: Block, part: str) -> None:
        mine = {name: each for name, each in work.trained.items() if work.student.names[name] in block.parameters}
        super().__init__(work.student, mine)
        assert work.teacher is not None
        self._teacher = (work.teacher,)
        self._block = block
        self.part = part

    def forward(self, batch: Batch) -> Tensor:
        """The mean of the relative squared errors of the block's outputs."""
        ours, theirs = self._answers(batch)
        return torch.stack([losses.relative(ours[name], theirs[name]) for name in theirs]).mean()

    def tally(self, batch: Batch) -> tuple[float, float]:
        """The loss, weighted by the number of samples, and that number."""
        return float(self(batch)) * batch.count, batch.count

    def figure(self, above: float, below: float) -> float:
        """The relative norm of the error."""
        return math.sqrt(above / below)

    def _answers(self, batch: Batch) -> tuple[Values, Values]:
        """What the student's block makes of the student's values, and the teacher's values."""
        training = self.student.training
        with torch.no_grad():
            theirs = self._teacher[0].run(batch.feeds, self._block.outputs)
            # Statistics of normalisations follow the data in the block alone.
            given = self.student.eval().run(batch.feeds, self._block.inputs)
        self.student.train(training)
        ours = self.student.run({**batch.feeds, **_single(given)}, self._block.outputs)
        return _single(ours), _single(theirs)


class Reconstruct:
    """Imitate the teacher block by block."""

    name = "reconstruct"
    needs_teacher = True
    needs_labels = False

    def run(self, work: Work) -> tuple[TunedStage, ...]:
        """One stage a block, from the first converted one on: what stands before it has nothing to learn."""
        blocks = self._blocks(work)
        stages = []
        for number, block in enumerate(blocks, 1):
            objective = Mimicry(work, block, f"block {number} of {len(blocks)}")
            for name, parameter in work.trained.items():
                parameter.requires_grad_(name in objective.trained)
            stages.append(work.train(objective, 1 / len(blocks), settings.BLOCK_STEPS))
        for parameter in work.trained.values():
            parameter.requires_grad_(True)
        return tuple(stages)

    def _blocks(self, work: Work) -> tuple[Block, ...]:
        assert work.teacher is not None
        ends = [target.name for target in find_targets(work.teacher, next(work.samples.held_out_batches()))]
        trained = {work.student.names[name] for name in work.trained}
        blocks = cut(composed(work.student), ends, trained, work.teacher.network)
        converted = [any(MARK in name for name in block.parameters) for block in blocks]
        return blocks[converted.index(True) if any(converted) else 0 :]


def _single(values: Values) -> Values:
    return {name: value.float() if value.is_floating_point() else value for name, value in values.items()}

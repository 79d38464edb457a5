"""The student learns what labels say; where there is a teacher too, half of the loss is to imitate it."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from convprof.errors import DataError
from convprof.records.tuning import TunedStage
from convprof.tuning import losses, settings
from convprof.tuning.methods.contract import Work
from convprof.tuning.methods.distill import Imitation
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Batch
from convprof.tuning.targets import find_targets


class Supervision(Objective):
    """A loss of the first output and the labels; held out, classes count who is right, anything else is the loss."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.student, work.trained, work.together)
        batch = next(work.samples.held_out_batches())
        targets = find_targets(work.student, batch)
        classes = work.samples.classes and targets[0].kind == "logits"
        self._wanted = targets[0].name if classes else work.student.network.outputs[0]
        self._name = _named(work.settings.loss, classes)
        self._loss = losses.supervised(self._name)
        self._imitation = (Imitation(work),) if work.teacher is not None else ()
        self.answers = self._imitation[0].answers if self._imitation else None
        self._classes = classes
        self.measure, self.better = ("top1", "higher") if classes else (self._name, "lower")
        self._check(batch, work.samples.labels)

    def forward(self, batch: Batch) -> Tensor:
        """The labels' loss, or the weighted mean of it and the teacher's."""
        compared = [name for imitation in self._imitation for name in imitation.compared]
        made = self.student.run(batch.feeds, list(dict.fromkeys((self._wanted, *compared))))
        loss = self._supervised(made[self._wanted].float(), batch)
        for imitation in self._imitation:
            loss = (1 - settings.TEACHER) * loss + settings.TEACHER * imitation.of(made, batch)
        return loss

    def tally(self, batch: Batch) -> tuple[float, float]:
        """Right answers, or the loss, and the number of samples."""
        if self._classes and batch.labels is not None:
            return losses.right(self._output(batch), batch.labels), batch.count
        return float(self._supervised(self._output(batch), batch)) * batch.count, batch.count

    def _output(self, batch: Batch) -> Tensor:
        return self.student.run(batch.feeds, [self._wanted])[self._wanted].float()

    def _supervised(self, output: Tensor, batch: Batch) -> Tensor:
        assert batch.labels is not None
        return self._loss(output, batch.labels)

    def _check(self, batch: Batch, labels: NDArray[Any] | None) -> None:
        """Raise DataError where the labels do not go with the output."""
        assert labels is not None
        assert batch.labels is not None
        if ":" in self._name:
            return
        output = self._output(batch)
        if self._name == "cross-entropy":
            most = output.shape[1] - 1 if self._classes else 0
            if not self._classes or labels.min() < 0 or labels.max() > most:
                why = f"cross-entropy takes the number of each sample's class, here 0 to {most}"
                raise DataError("labels", why, "give those, or another --loss")
        elif output.shape != batch.labels.shape or not batch.labels.is_floating_point():
            why = f"{self._name} compares them, {list(batch.labels.shape)}, with outputs of {list(output.shape)}"
            raise DataError("labels", why, "give targets as the output has them, in float32, or another --loss")


class Finetune:
    """Learn from labels."""

    name = "finetune"
    needs_teacher = False
    needs_labels = True

    def run(self, work: Work) -> tuple[TunedStage, ...]:
        """One stage."""
        return (work.train(Supervision(work), 1.0),)


def _named(wanted: str | None, classes: bool) -> str:
    """The loss asked for, if it is one for labels, or the one that fits them."""
    if wanted is None or wanted in losses.IMITATING:
        return "cross-entropy" if classes else "mse"
    return wanted

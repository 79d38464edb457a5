"""The student learns to answer as the teacher does; no labels.

Class scores: T^2 KL of softened scores plus a little of their squared error (Hinton et al. 2015). Anything else: the
relative squared error. Where pictures may be mirrored, the teacher's scores are the mean over a picture and its mirror
image, which is a better teacher than the one answer.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from convprof.errors import UsageError
from convprof.records.tuning import TunedStage
from convprof.tuning import losses, settings
from convprof.tuning.methods.contract import Work
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Batch
from convprof.tuning.targets import Target, find_targets


class Imitation(Objective):
    """How far the student's answers are from the teacher's."""

    def __init__(self, work: Work, targets: tuple[Target, ...]) -> None:
        super().__init__(work.student, work.trained)
        assert work.teacher is not None
        self._teacher = (work.teacher,)  # in a tuple, so that its weights are none of this module's
        self._targets = targets
        self._temperature = work.settings.temperature
        self._mirrored = work.pictures if work.mirrored else ""
        self.measure = "kl" if all(target.kind == "logits" for target in targets) else "relative_l2"
        names = [name for target in targets for name in (target.name, target.features) if name]
        self._wanted = [name for name in dict.fromkeys(names) if settings.FEATURES or name not in _features(targets)]

    def forward(self, batch: Batch) -> Tensor:
        """The sum over the outputs."""
        student, teacher = self.answers(batch)
        return torch.stack([self._loss(target, student, teacher) for target in self._targets]).sum()

    def answers(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the student and the teacher make of a batch, in float32."""
        with torch.no_grad():
            teacher = _single(self._teacher[0].run(batch.feeds, self._wanted))
            if self._mirrored:
                mirrored = {**batch.feeds, self._mirrored: batch.feeds[self._mirrored].flip(-1)}
                names = [target.name for target in self._targets if target.kind == "logits"]
                other = _single(self._teacher[0].run(mirrored, names))
                teacher |= {name: (teacher[name] + other[name]) / 2 for name in names}
        return _single(self.student.run(batch.feeds, self._wanted)), teacher

    def tally(self, batch: Batch) -> tuple[float, float]:
        """The divergence and the number of samples; or squared error and squared norm."""
        student, teacher = self.answers(batch)
        if self.measure == "kl":
            pairs = [losses.divergence(student[each.name], teacher[each.name]) for each in self._targets]
            return float(torch.stack(pairs).sum()) * batch.count, batch.count
        error = sum(float((student[each.name] - teacher[each.name]).square().sum()) for each in self._targets)
        return error, sum(float(teacher[each.name].square().sum()) for each in self._targets)

    def figure(self, above: float, below: float) -> float:
        """Nats a sample, or the relative norm of the error."""
        return above / below if self.measure == "kl" else (above / max(below, 1e-30)) ** 0.5

    def _loss(self, target: Target, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
        ours, theirs = student[target.name], teacher[target.name]
        if target.kind == "values":
            loss = losses.relative(ours, theirs)
        else:
            loss = losses.divergence(ours, theirs, self._temperature)
            loss = loss + settings.LOGITS * functional.mse_loss(ours, theirs)
        if settings.FEATURES and target.features:
            loss = loss + settings.FEATURES * losses.relative(student[target.features], teacher[target.features])
        return loss


class Distill:
    """Imitate the teacher."""

    name = "distill"
    needs_teacher = True
    needs_labels = False

    def run(self, work: Work) -> tuple[TunedStage, ...]:
        """One stage."""
        return (work.train(Imitation(work, imitated(work)), 1.0),)


def imitated(work: Work) -> tuple[Target, ...]:
    """What of the outputs is compared, and as what: as the graph shows it, or as --loss says."""
    assert work.teacher is not None
    targets = find_targets(work.teacher, next(work.samples.held_out_batches()))
    kind = {"kl": "logits", "relative-l2": "values"}.get(work.settings.loss or "")
    if kind == "logits" and any(target.kind == "values" for target in targets):
        raise UsageError("--loss kl", "the model's output is no class scores", "leave it out")
    return tuple(Target(each.name, "values", each.features) for each in targets) if kind == "values" else targets


def _features(targets: tuple[Target, ...]) -> set[str]:
    return {target.features for target in targets} - {target.name for target in targets}


def _single(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() for name, value in values.items()}

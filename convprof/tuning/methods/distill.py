"""The student learns to answer as the teacher does; no labels.

Class scores: T^2 KL of softened scores plus a little of their squared error (Hinton et al. 2015). Anything else: the
relative squared error. What the teacher says is `convprof.tuning.answers`' business.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from convprof.errors import ModelError, UsageError
from convprof.records.tuning import TunedStage
from convprof.tuning import losses, settings
from convprof.tuning.answers import Answers, Values
from convprof.tuning.methods.contract import Work
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Batch
from convprof.tuning.targets import Target, find_targets


class Imitation(Objective):
    """How far the student's answers are from the teacher's; with labels of classes, held out counts who is right."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.student, work.trained, work.together)
        assert work.teacher is not None
        self._targets = _imitated(work)
        self._names = [target.name for target in self._targets]
        only_scores = all(target.kind == "logits" for target in self._targets)
        self._ours = _counterparts(work, self._targets, only_scores)
        self._temperature = work.settings.temperature
        mirrored = work.pictures if only_scores and work.mirrored else None
        changes = work.settings.augment or ()
        self.answers = self._teacher = Answers(work.teacher, work.samples, list(self._ours), mirrored, changes)
        self._check(next(work.samples.held_out_batches()))
        if only_scores and len(self._targets) == 1 and work.samples.classes:
            self.measure, self.better = "top1", "higher"
        else:
            self.measure = "kl" if only_scores else "relative_l2"

    @property
    def compared(self) -> list[str]:
        """The student's values that are compared, by its own names."""
        return list(self._ours.values())

    def forward(self, batch: Batch) -> Tensor:
        """The sum over the outputs."""
        return self.of(self.student.run(batch.feeds, self.compared), batch)

    def of(self, made: Values, batch: Batch) -> Tensor:
        """The same of values that the student has made of a batch."""
        teacher, student = self._teacher.of(batch), self._named(made)
        return torch.stack([self._loss(target, student, teacher, batch) for target in self._targets]).sum()

    def tally(self, batch: Batch) -> tuple[float, float]:
        """Right answers or divergence, and the number of samples; or squared error and squared norm."""
        ours, names = self._said(batch), self._names
        if self.measure == "top1" and batch.labels is not None:
            return losses.right(ours[names[0]], batch.labels), batch.count
        theirs = self._teacher.of_held_out(batch)
        if self.measure == "kl":
            return sum(float(losses.divergence(ours[name], theirs[name])) for name in names) * batch.count, batch.count
        error = sum(float((ours[name] - theirs[name]).square().sum()) for name in names)
        return error, sum(float(theirs[name].square().sum()) for name in names)

    def figure(self, above: float, below: float) -> float:
        """Share, nats a sample, or the relative norm of the error."""
        return (above / max(below, 1e-30)) ** 0.5 if self.measure == "relative_l2" else above / below

    def _check(self, batch: Batch) -> None:
        """Raise ModelError where the student's answers are not of the teacher's shape."""
        with torch.no_grad():
            ours, theirs = self._said(batch), self._teacher.of(batch)
        for target in self._targets:
            found, wanted = ours[target.name].shape, theirs[target.name].shape
            if found != wanted:
                why = f"output {target.output!r} has shape {list(found)}, and {list(wanted)} in the teacher"
                raise ModelError(self.student.network.what, why, "give the model that this one was converted from")

    def _said(self, batch: Batch) -> Values:
        """The student's values, by the teacher's names for them, in float32."""
        return self._named(self.student.run(batch.feeds, self.compared))

    def _named(self, made: Values) -> Values:
        return {name: made[own].float() for name, own in self._ours.items()}

    def _loss(self, target: Target, student: Values, teacher: Values, batch: Batch) -> Tensor:
        ours, theirs = student[target.name], teacher[target.name]
        if target.kind == "values":
            return losses.relative(ours, theirs, self.power(theirs, batch))
        loss = losses.divergence(ours, theirs, self._temperature) + settings.LOGITS * functional.mse_loss(ours, theirs)
        if target.features not in self._ours:
            return loss
        ours, theirs = student[target.features], teacher[target.features]
        return loss + settings.FEATURES * losses.relative(ours, theirs, self.power(theirs, batch))


class Distill:
    """Imitate the teacher."""

    name = "distill"
    needs_teacher = True
    needs_labels = False

    def run(self, work: Work) -> tuple[TunedStage, ...]:
        """One stage."""
        return (work.train(Imitation(work), 1.0),)


def _imitated(work: Work) -> tuple[Target, ...]:
    """What of the outputs is compared, and as what: as the graph shows it, or as --loss says."""
    assert work.teacher is not None
    targets = find_targets(work.teacher, next(work.samples.held_out_batches()))
    if work.settings.loss == "relative-l2":
        return tuple(replace(each, kind="values") for each in targets)
    if work.settings.loss == "kl" and any(target.kind == "values" for target in targets):
        raise UsageError("--loss kl", "the model's outputs are no class scores", "leave it out")
    return targets


def _counterparts(work: Work, targets: tuple[Target, ...], only_scores: bool) -> dict[str, str]:
    """The student's name for each value of the teacher that is compared, features too where they are as long."""
    own = {each.output: each for each in find_targets(work.student, next(work.samples.held_out_batches()))}
    pairs = [(each, own[each.output]) for each in targets]
    features = {each.features: mine.features for each, mine in pairs if each.width and each.width == mine.width}
    return {each.name: mine.name for each, mine in pairs} | (features if only_scores else {})

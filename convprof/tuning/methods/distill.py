"""The student learns to answer as the teacher does; no labels.

Class scores: T^2 KL of softened scores plus a little of their squared error (Hinton et al. 2015). Anything else: the
relative squared error. Where pictures may be mirrored, the teacher's scores are the mean over a picture and its mirror
image, which is a better teacher than the one answer.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from convprof.errors import ModelError, UsageError
from convprof.records.tuning import TunedStage
from convprof.tuning import losses, settings
from convprof.tuning.methods.contract import Work
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Batch
from convprof.tuning.targets import Target, find_targets

Values = dict[str, Tensor]


class Imitation(Objective):
    """How far the student's answers are from the teacher's; with labels of classes, held out counts who is right."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.student, work.trained, work.together)
        assert work.teacher is not None
        self._teacher = (work.teacher,)
        self._targets = _imitated(work)
        self._ours = _counterparts(work, self._targets)
        self._temperature = work.settings.temperature
        self._pictures = work.pictures if work.mirrored else None
        self._scores = [target.name for target in self._targets if target.kind == "logits"]
        self._check(next(work.samples.held_out_batches()))
        self._remembered: dict[int, Values] = {}
        only_scores = len(self._scores) == len(self._targets)
        if only_scores and len(self._targets) == 1 and work.samples.classes:
            self.measure, self.better = "top1", "higher"
        else:
            self.measure = "kl" if only_scores else "relative_l2"

    def forward(self, batch: Batch) -> Tensor:
        """The sum over the outputs."""
        wanted = self._wanted()
        teacher, student = self._taught(batch, wanted), self._answers(batch, wanted)
        return torch.stack([self._loss(target, student, teacher, batch) for target in self._targets]).sum()

    def tally(self, batch: Batch) -> tuple[float, float]:
        """Right answers or divergence, and the number of samples; or squared error and squared norm."""
        names = [target.name for target in self._targets]
        ours = self._answers(batch, names)
        if self.measure == "top1" and batch.labels is not None:
            return losses.right(ours[names[0]], batch.labels), batch.count
        theirs = self._held_out(batch, names)
        if self.measure == "kl":
            return sum(float(losses.divergence(ours[name], theirs[name])) for name in names) * batch.count, batch.count
        error = sum(float((ours[name] - theirs[name]).square().sum()) for name in names)
        return error, sum(float(theirs[name].square().sum()) for name in names)

    def figure(self, above: float, below: float) -> float:
        """Share, nats a sample, or the relative norm of the error."""
        return (above / max(below, 1e-30)) ** 0.5 if self.measure == "relative_l2" else above / below

    def _check(self, batch: Batch) -> None:
        """Raise ModelError where the student's answers are not of the teacher's shape."""
        names = [target.name for target in self._targets]
        with torch.no_grad():
            ours, theirs = self._answers(batch, names), self._teacher[0].run(batch.feeds, names)
        for target in self._targets:
            found, wanted = ours[target.name].shape, theirs[target.name].shape
            if found != wanted:
                why = f"output {target.output!r} has shape {list(found)}, and {list(wanted)} in the teacher"
                raise ModelError(self.student.network.what, why, "give the model that this one was converted from")

    def _wanted(self) -> list[str]:
        features = [target.features for target in self._targets if target.features in self._ours and settings.FEATURES]
        return list(dict.fromkeys([*(target.name for target in self._targets), *features]))

    def _answers(self, batch: Batch, names: list[str]) -> Values:
        """The student's values, by the teacher's names for them."""
        made = _single(self.student.run(batch.feeds, [self._ours[name] for name in names]))
        return {name: made[self._ours[name]] for name in names}

    @torch.no_grad()
    def _taught(self, batch: Batch, names: list[str]) -> Values:
        values = _single(self._teacher[0].run(batch.feeds, names))
        if self._pictures is None:
            return values
        name = self._pictures.name
        mirrored = {**batch.feeds, name: self._pictures.mirrored(batch.feeds[name])}
        others = _single(self._teacher[0].run(mirrored, self._scores))
        return values | {name: (values[name] + other) / 2 for name, other in others.items()}

    def _held_out(self, batch: Batch, names: list[str]) -> Values:
        """The teacher's answers to a held-out batch, which stay the same."""
        if batch.number in self._remembered:
            return self._remembered[batch.number]
        values = self._taught(batch, names)
        held = sum(value.numel() for each in (values, *self._remembered.values()) for value in each.values())
        if held <= settings.REMEMBERED:
            self._remembered[batch.number] = values
        return values

    def _loss(self, target: Target, student: Values, teacher: Values, batch: Batch) -> Tensor:
        ours, theirs = student[target.name], teacher[target.name]
        if target.kind == "values":
            loss = losses.relative(ours, theirs, self.power(theirs, batch))
        else:
            loss = losses.divergence(ours, theirs, self._temperature)
            loss = loss + settings.LOGITS * functional.mse_loss(ours, theirs)
        if target.features in student and target.features != target.name:
            loss = loss + settings.FEATURES * losses.relative(student[target.features], teacher[target.features])
        return loss


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


def _counterparts(work: Work, targets: tuple[Target, ...]) -> dict[str, str]:
    """The student's name for each value of the teacher that is compared, and for features that it has too."""
    own = {each.output: each for each in find_targets(work.student, next(work.samples.held_out_batches()))}
    names = {each.name: own[each.output].name for each in targets}
    made = {name for step in work.student.network.steps for name in step.outputs}
    return names | {each.features: each.features for each in targets if each.features in made}


def _single(values: Values) -> Values:
    return {name: value.float() for name, value in values.items()}

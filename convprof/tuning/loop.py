"""The one training loop: an objective, lowered step by step, and the weights kept that did best on the held-out part.

The result is never worse than its start on that part. The loop knows no method and reads no clock but the one it is
given; all that decides the next step is in its position and its tensors, so that a run can stop and go on. Several
processes run the same loop, each on its share of the data, and decide alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from convprof.errors import ModelError
from convprof.records.progress import Progress
from convprof.records.tuning import CurvePoint, TunedStage
from convprof.tuning import averaging, settings
from convprof.tuning.augmenting import KEEPING, Augmentation, Pictures
from convprof.tuning.keeping import Kept, Position
from convprof.tuning.objective import Objective
from convprof.tuning.optimising import optimisers
from convprof.tuning.running import Running
from convprof.tuning.samples import Batch, Samples
from convprof.tuning.together import Together


@dataclass(frozen=True)
class Course:
    """What every stage of a run shares."""

    samples: Samples
    running: Running
    augmentation: Augmentation
    pictures: Pictures | None
    kept: Kept
    together: Together
    timer: Callable[[], float]
    progress: Progress

    def batch(self, step: int) -> Batch:
        """The share of a step's batch, augmented and ordered as the way wants; labels that are pictures follow."""
        batch = self.samples.batch(step)
        if self.pictures is not None and self.augmentation.names:
            name, labels = self.pictures.name, batch.labels
            feeds = {**batch.feeds, name: self.augmentation(batch.feeds[name], step, batch.before, batch.whole)}
            if labels is not None and labels.ndim == 4:
                kept = tuple(each for each in self.augmentation.names if each in KEEPING)
                labels = replace(self.augmentation, names=kept)(labels, step, batch.before, batch.whole)
            batch = replace(batch, feeds=feeds, labels=labels)
        return self.running.placed(batch)


@dataclass(frozen=True)
class Budget:
    """How long a stage may take: passes over the data, or seconds from which steps are reckoned.

    Of the seconds some are `spent` before the first step; `step` is how long one takes.
    """

    seconds: float
    spent: float
    step: float
    epochs: float | None
    learning_rate: float
    optimiser: str


class Loop:
    """One stage."""

    def __init__(self, name: str, objective: Objective, course: Course, budget: Budget) -> None:
        self.name, self.objective, self.course, self.budget = name, objective, course, budget
        self.shared = course.together.wrapped(objective)
        self.parameters = list(objective.trained.values())
        self.position = Position()
        self.optimisers = self._optimisers()
        self.average = averaging.copied(averaging.held(objective))
        self.best = averaging.copied(self.average)

    def run(self) -> TunedStage:
        """Train, and leave the best weights in the student.

        Raises ModelError where the student's measure is not finite at the start.
        """
        if self.course.kept.standing.position is None:
            self._begin()
        else:
            self._go_on()
        here = self.position
        started = self.course.timer() - here.seconds
        while here.step < here.steps and not self._stalled() and here.rollbacks <= settings.ROLLBACKS:
            if not self._step():
                self._roll_back()
            here.seconds = self.course.timer() - started
            self.course.progress(self._words(), here.step, here.steps)
            if here.step % here.interval == 0 or here.step >= here.steps:
                self._look()
                self._replan()
                self._keep()
        averaging.load(self.objective, self.best)
        return self._stage()

    def _begin(self) -> None:
        """Measure the start, and reckon from the speed how many steps there will be."""
        here, samples, timer = self.position, self.course.samples, self.course.timer
        here.seconds = self.budget.spent
        here.before = here.best = self._measure()
        if not math.isfinite(here.before):
            why = f"its {self.objective.measure} on the held-out part is {here.before}"
            raise ModelError(self.objective.student.network.what, why, "check the data, --preprocess and the labels")
        start = timer()
        self._measure()  # again: what the teacher says is known by now, as it will be from here on
        look, step = timer() - start, max(self.budget.step, 1e-6)
        if self.budget.epochs is None:
            left = self.budget.seconds - here.seconds
            here.steps = max(1, int(left * (1 - settings.EVALUATION_SHARE) / step))
        else:
            here.steps = max(1, round(self.budget.epochs * samples.steps_per_epoch))
        affordable = look / settings.EVALUATION_SHARE / step
        here.interval = max(1, math.ceil(max(here.steps / settings.EVALUATIONS, min(affordable, here.steps / 4))))
        here.learning_rate = self.budget.learning_rate
        here.curve = [CurvePoint(0, 0.0, None, here.before)]

    def _step(self) -> bool:
        """One step; False where the loss or the gradient is no number, and nothing was changed."""
        here, together = self.position, self.course.together
        self.objective.train()
        batch = self.course.batch(here.step)
        with self.course.running.precision():
            share = self.shared(batch) * together.weight(batch.count, batch.whole)
        self.objective.zero_grad(set_to_none=True)
        share.backward()
        loss = together.mean(share).item()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, settings.CLIP)
        here.step += 1
        if not (math.isfinite(loss) and math.isfinite(norm.item())):
            return False
        speed = _speed(here.step - here.since, here.steps - here.since)
        slowed = here.learning_rate / self.budget.learning_rate
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * slowed * speed
            optimiser.step()
        here.losses, here.counted = here.losses + loss, here.counted + 1
        here.averaged += 1
        averaging.average(self.average, averaging.held(self.objective), here.averaged)
        return True

    def _look(self) -> None:
        """Measure the averaged weights on the held-out part, keep them where they are the best, or give up on them."""
        here = self.position
        current = averaging.copied(averaging.held(self.objective))
        averaging.load(self.objective, self.average)
        measure = self._measure()
        averaging.load(self.objective, current)
        if self._gain(measure, here.best) > 0:
            here.best, here.kept, self.best = measure, here.step, averaging.copied(self.average)
        loss = here.losses / here.counted if here.counted else None
        finite = measure if math.isfinite(measure) else None
        here.curve.append(CurvePoint(here.step, here.seconds / 60, loss, finite))
        here.losses, here.counted = 0.0, 0
        here.far = here.far + 1 if self._far(measure) else 0
        if here.far > 1:
            self._roll_back()

    def _replan(self) -> None:
        """Plan fewer steps, or more, where the machine turns out not as fast as when they were planned."""
        here = self.position
        planned = here.steps - here.step
        if self.budget.epochs is not None or planned <= 0:
            return
        left = (self.budget.seconds - here.seconds) / ((here.seconds - self.budget.spent) / here.step)
        if abs(left - planned) > settings.OFF * planned:
            here.steps = here.step + max(0, int(left))

    def _roll_back(self) -> None:
        """Go back to the best weights, and on with a lower learning rate."""
        here = self.position
        averaging.load(self.objective, self.best)
        self.average = averaging.copied(self.best)
        self.optimisers = self._optimisers()
        here.learning_rate *= settings.SLOWER
        here.rollbacks += 1
        here.since, here.far, here.averaged = here.step, 0, 0

    def _optimisers(self) -> tuple[torch.optim.Optimizer, ...]:
        return optimisers(self.objective.trained, self.budget.optimiser, self.budget.learning_rate)

    def _far(self, measure: float) -> bool:
        """Whether the run has gone wrong, rather than through the low behind a start that was fitted."""
        higher, start = self.objective.better == "higher", self.position.before
        error, first = (1 - measure, 1 - start) if higher else (measure, start)
        return not error <= max(settings.FAR_WORSE * first, first + settings.LEAST_FAR)

    def _gain(self, measure: float, other: float) -> float:
        return measure - other if self.objective.better == "higher" else other - measure

    def _stalled(self) -> bool:
        """Whether to stop early; shares of right answers vary by chance, losses of the same samples far less."""
        best, count = self.position.best, len(self.course.samples.held_out)
        variance = max(best * (1 - best), 0.0) if self.objective.better == "higher" else 0.0
        return _stalled(self.position, math.sqrt(variance / count))

    @torch.no_grad()
    def _measure(self) -> float:
        """The measure of the student as it is, in its own precision."""
        self.objective.eval()
        above = below = 0.0
        for batch in self.course.samples.held_out_share():
            up, down = self.objective.tally(self.course.running.placed(batch))
            above, below = above + up, below + down
        return self.objective.figure(*self.course.together.totals(above, below))

    def _words(self) -> str:
        here = self.position
        loss = f"loss {here.losses / here.counted:.4f}, " if here.counted else ""
        return f"{self.name}; {loss}{self.objective.measure} {here.before:.4g} -> {here.best:.4g}"

    def _keep(self) -> None:
        """Keep where the stage stands."""
        kept = self.course.kept
        kept.standing.position = self.position
        kept.write(
            {
                "student": self.objective.student.state_dict(),
                "average": self.average,
                "best": self.best,
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            }
        )

    def _go_on(self) -> None:
        """Take over where a run that was cut short has stopped; the student's weights have been put back already."""
        kept = self.course.kept
        assert kept.standing.position is not None
        self.position = kept.standing.position
        try:
            own = averaging.held(self.objective)
            self.average = averaging.placed(kept.tensors["average"], own)
            self.best = averaging.placed(kept.tensors["best"], own)
            for optimiser, state in zip(self.optimisers, kept.tensors["optimisers"], strict=True):
                optimiser.load_state_dict(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise kept.damaged(error) from error

    def _stage(self) -> TunedStage:
        here, samples, objective = self.position, self.course.samples, self.objective
        return TunedStage(
            method=self.name,
            samples=len(samples.training),
            held_out=len(samples.held_out),
            steps=here.step,
            epochs=here.step / samples.steps_per_epoch,
            minutes=here.seconds / 60,
            measure=objective.measure,
            better=objective.better,
            before=here.before,
            after=here.best,
            kept=here.kept,
            batch=samples.size,
            learning_rate=here.learning_rate,
            rollbacks=here.rollbacks,
            views=1 if objective.answers is None else objective.answers.views,
            curve=tuple(here.curve),
        )


def _stalled(here: Position, chance: float) -> bool:
    """Whether, late in a run that had gained something, several looks have all found worse, by `chance` at least."""
    since = max(here.kept, settings.SETTLED * here.steps)
    looks = [point.measure for point in here.curve if point.steps > since]
    if here.kept == 0 or len(looks) < settings.LOOKS or here.step - since <= settings.PATIENCE * here.steps:
        return False
    return all(look is None or abs(look - here.best) >= chance for look in looks)


def _speed(step: int, steps: int) -> float:
    """The learning rate at `step` of `steps` as a share of its peak: up along a line, down along a cosine."""
    done = step / max(steps, 1)
    if done < settings.WARM_UP:
        return settings.FIRST_RATE + (1 - settings.FIRST_RATE) * done / settings.WARM_UP
    fall = (done - settings.WARM_UP) / (1 - settings.WARM_UP)
    return settings.LAST_RATE + (1 - settings.LAST_RATE) * (1 + math.cos(math.pi * fall)) / 2

"""The one training loop: an objective, lowered step by step, and the weights kept that did best on the held-out part.

The result is never worse than its start on that part. The loop knows no method and reads no clock but the one it is
given; all that decides the next step is in its position and its tensors, so that a run can stop and go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convprof.records.progress import Progress
from convprof.records.tuning import CurvePoint, TunedStage
from convprof.tuning import settings
from convprof.tuning.augmenting import Augmentation
from convprof.tuning.keeping import Kept, Position
from convprof.tuning.objective import Objective
from convprof.tuning.running import Running
from convprof.tuning.samples import Batch, Samples

State = dict[str, Tensor]


@dataclass(frozen=True)
class Course:
    """What every stage of a run shares."""

    samples: Samples
    running: Running
    augmentation: Augmentation
    pictures: str
    kept: Kept
    timer: Callable[[], float]
    progress: Progress

    def batch(self, step: int) -> Batch:
        """The batch of a step, augmented and in the order that the way wants."""
        batch = self.samples.batch(step)
        if self.augmentation.names:
            feeds = {**batch.feeds, self.pictures: self.augmentation(batch.feeds[self.pictures], step)}
            batch = replace(batch, feeds=feeds)
        return self.running.placed(batch)

    def trial(self, objective: Objective) -> None:
        """A step of training without its update."""
        with self.running.precision():
            loss = objective(self.batch(0))
        loss.backward()
        objective.zero_grad(set_to_none=True)


@dataclass(frozen=True)
class Budget:
    """How long a stage may take: passes over the data, or seconds from which steps are reckoned."""

    seconds: float
    epochs: float | None
    learning_rate: float


class Loop:
    """One stage."""

    def __init__(self, name: str, objective: Objective, course: Course, budget: Budget) -> None:
        self.name, self.objective, self.course, self.budget = name, objective, course, budget
        self.trained = list(objective.trained.values())
        self.optimiser = torch.optim.AdamW(self.trained, budget.learning_rate, weight_decay=0.0)
        self.position = Position()
        self.average = self._weights()
        self.best = self._weights()

    def run(self) -> TunedStage:
        """Train, and leave the best weights in the student."""
        if self.course.kept.progressed.position is None:
            self._begin()
        else:
            self._go_on()
        here, start, base = self.position, self.course.timer(), self.position.seconds
        while here.step < here.steps and not self._stalled():
            if not self._step():
                self._roll_back()
                if here.rollbacks > settings.ROLLBACKS:
                    break
            here.seconds = base + self.course.timer() - start
            self.course.progress(self._words(), here.step, here.steps)
            if here.step % here.interval == 0 or here.step == here.steps:
                self._look()
                self._keep()
        self._load(self.best)
        self.course.kept.progressed.position = None
        return self._stage()

    def _begin(self) -> None:
        """Measure the start, and reckon from the speed how many steps there will be."""
        here, per_epoch = self.position, self.course.samples.steps_per_epoch
        timer = self.course.timer
        start = timer()
        here.before = here.best = self._measure()
        look = timer() - start
        step = self.course.kept.progressed.times[0].seconds
        available = self.budget.seconds * (1 - settings.EVALUATION_SHARE)
        epochs = self.budget.epochs
        here.steps = max(1, int(available / step) if epochs is None else round(epochs * per_epoch))
        rare = look / settings.EVALUATION_SHARE / step
        here.interval = max(1, math.ceil(max(here.steps / settings.EVALUATIONS, min(rare, here.steps / 4))))
        here.learning_rate = self.budget.learning_rate
        here.curve = [CurvePoint(0, 0.0, None, here.before)]

    def _step(self) -> bool:
        """One step; False where the loss is no number, and nothing was changed."""
        here = self.position
        self.objective.train()
        with self.course.running.precision():
            loss = self.objective(self.course.batch(here.step))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.trained, settings.CLIP)
        here.step += 1
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            return False
        for group in self.optimiser.param_groups:
            group["lr"] = here.learning_rate * _share(here.step - here.since, here.steps - here.since)
        self.optimiser.step()
        here.losses += loss.item()
        here.counted += 1
        here.averaged += 1
        decay = min(settings.AVERAGE, (1 + here.averaged) / (10 + here.averaged))
        with torch.no_grad():
            for name, value in self._held().items():
                self.average[name].lerp_(value, 1 - decay)
        return True

    def _look(self) -> None:
        """Measure the averaged weights on the held-out part, keep them where they are the best, or give up on them."""
        here = self.position
        current = self._weights()
        self._load(self.average)
        measure = self._measure()
        if self._better(measure, here.best):
            here.best, here.kept, self.best = measure, here.step, self._weights()
        self._load(current)
        loss = here.losses / here.counted if here.counted else None
        here.curve.append(CurvePoint(here.step, here.seconds / 60, loss, measure))
        here.losses, here.counted = 0.0, 0
        here.far = here.far + 1 if self._far(measure) else 0
        if here.far >= 2 and here.rollbacks < settings.ROLLBACKS:
            self._roll_back()

    def _roll_back(self) -> None:
        """Go back to the best weights, and on with a lower learning rate."""
        here = self.position
        self._load(self.best)
        self.average = self._weights()
        self.optimiser = torch.optim.AdamW(self.trained, here.learning_rate, weight_decay=0.0)
        here.learning_rate *= settings.SLOWER
        here.rollbacks += 1
        here.since, here.far, here.averaged = here.step, 0, 0

    def _far(self, measure: float) -> bool:
        if not math.isfinite(measure):
            return True
        if self.objective.better == "higher":
            return 1 - measure > settings.FAR_WORSE * (1 - self.position.before)
        return measure > settings.FAR_WORSE * self.position.before

    def _better(self, measure: float, other: float) -> bool:
        return measure > other if self.objective.better == "higher" else measure < other

    def _stalled(self) -> bool:
        """Whether the run is in its last part and a tenth of all steps have brought nothing."""
        here = self.position
        since = max(here.kept, round(settings.SETTLED * here.steps))
        return here.kept > 0 and here.step - since > settings.PATIENCE * here.steps

    @torch.no_grad()
    def _measure(self) -> float:
        """The measure of the student as it is, in float32."""
        self.objective.eval()
        above = below = 0.0
        for batch in self.course.samples.held_out_batches():
            up, down = self.objective.tally(self.course.running.placed(batch))
            above, below = above + up, below + down
        measure = self.objective.figure(above, below)
        if math.isfinite(measure):
            return measure
        return -math.inf if self.objective.better == "higher" else math.inf

    def _words(self) -> str:
        here = self.position
        loss = here.losses / here.counted if here.counted else math.nan
        return f"{self.name}; loss {loss:.4f}, {self.objective.measure} {here.curve[-1].measure:.4f}"

    def _held(self) -> State:
        """The trained parameters, and the statistics of normalisations, which follow the data."""
        return {**self.objective.trained, **dict(self.objective.student.named_buffers())}

    def _weights(self) -> State:
        return {name: value.detach().clone() for name, value in self._held().items()}

    @torch.no_grad()
    def _load(self, weights: State) -> None:
        for name, value in self._held().items():
            value.copy_(weights[name])

    def _keep(self) -> None:
        """Keep where the stage stands."""
        kept = self.course.kept
        kept.progressed.position = self.position
        kept.write(
            {
                "weights": self._weights(),
                "average": self.average,
                "best": self.best,
                "optimiser": self.optimiser.state_dict(),
            }
        )

    def _go_on(self) -> None:
        """Take over where a run that was cut short has stopped."""
        kept = self.course.kept
        assert kept.progressed.position is not None
        self.position = kept.progressed.position
        self._load(kept.tensors["weights"])
        self.average, self.best = kept.tensors["average"], kept.tensors["best"]
        self.optimiser.load_state_dict(kept.tensors["optimiser"])

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
            curve=tuple(here.curve),
        )


def _share(step: int, steps: int) -> float:
    """The learning rate at `step` of `steps` as a share of its peak: up along a line, down along a cosine."""
    done = step / max(steps, 1)
    if done < settings.WARM_UP:
        return settings.FIRST_RATE + (1 - settings.FIRST_RATE) * done / settings.WARM_UP
    fall = (done - settings.WARM_UP) / (1 - settings.WARM_UP)
    return settings.LAST_RATE + (1 - settings.LAST_RATE) * (1 + math.cos(math.pi * fall)) / 2

"""Student, teacher, Batches -> the student trained, in place, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf

import msgspec
import torch

from convprof.data import Batches
from convprof.errors import UsageError
from convprof.records.progress import Progress
from convprof.records.remarks import Remark
from convprof.records.tuning import Settings, TunedStage, WayTime
from convprof.torch import Module
from convprof.tuning import losses, preparing, settings
from convprof.tuning.answers import Answers
from convprof.tuning.augmenting import Augmentation
from convprof.tuning.keeping import Kept
from convprof.tuning.loop import Budget, Course, Loop
from convprof.tuning.methods import METHODS, Method, Work
from convprof.tuning.objective import Objective
from convprof.tuning.preparing import Changes
from convprof.tuning.running import Running
from convprof.tuning.together import joined


@dataclass(frozen=True)
class Tuned:
    """What a run came to, as in `convprof.records.tuning.Tuning`."""

    settings: Settings
    changes: Changes
    stages: tuple[TunedStage, ...]
    times: tuple[WayTime, ...]
    device: str
    torch: str
    processes: int
    notices: tuple[Remark, ...]


def tune(
    student: Module,
    teacher: Module | None,
    batches: Batches,
    wanted: Settings,
    kept: Kept,
    *,
    timer: Callable[[], float],
    progress: Progress,
    after: Callable[[tuple[TunedStage, ...]], None] | None = None,
) -> Tuned:
    """Train the student by the methods of the recipe, which must name them, and leave it on the CPU.

    `after` is told of every method when it has been run, by its stages; the student then has the weights it left, and
    what it adds to the scores of `kept` lasts.
    Started several times by torchrun, all train together; each ends with the same student.

    Raises UsageError and DataError for settings and data that do not go with the models or each other, ModelError where
    student and teacher do not go together or cannot be trained.
    """
    check(wanted, teacher, batches)
    methods = [METHODS[name] for name in wanted.recipe or ()]
    if teacher is not None:
        preparing.check_pair(student, teacher)
    with joined() as together, _threads(wanted.threads) as threads:
        device = together.device
        student.to(device).float().eval().freeze_statistics(wanted.train == "factors")
        student.share_statistics(together.count > 1)
        if teacher is not None:
            teacher.to(device).float().eval().requires_grad_(False)
        kept.standing, kept.tensors = together.first((kept.standing, kept.tensors))
        samples = preparing.split(batches, student, wanted, together)
        labelled = any(method.needs_labels for method in methods)
        changes = preparing.changes(wanted, teacher or student, samples, labelled)
        chosen = msgspec.structs.replace(wanted, augment=changes.names, batch=samples.size, threads=threads)
        turned = changes.pictures is not None and changes.pictures.channels_last
        augmentation = Augmentation(changes.names, wanted.seed, turned)
        clock = together.clock(timer)
        with Running(student, device) as running:
            course = Course(samples, running, augmentation, changes.pictures, kept, together, clock, progress)
            _Run(course, teacher, chosen, changes).go(methods, after)
    student.cpu().share_statistics(False)
    stages = kept.standing.stages
    notices = (*changes.notices, *_notices(stages))
    times, version = kept.standing.times, str(torch.__version__)
    used = msgspec.structs.replace(chosen, learning_rate=_peak(chosen))
    return Tuned(used, changes, stages, times, _named(device), version, together.count, notices)


def check(wanted: Settings, teacher: Module | None, batches: Batches) -> None:
    """Raise UsageError for numbers that no run can go by, and for methods unknown or without what they need."""
    _check_numbers(wanted)
    recipe = wanted.recipe or ()
    unknown = [name for name in recipe if name not in METHODS]
    if unknown or not recipe:
        named = f"no method is called {unknown[0]!r}" if unknown else "it names no method"
        raise UsageError("--recipe", named, f"known are bias, {', '.join(METHODS)}; several with commas")
    for method in (METHODS[name] for name in recipe):
        if method.needs_teacher and teacher is None:
            raise UsageError(f"--recipe {method.name}", "it imitates a teacher", "give --teacher ORIGINAL.onnx")
        if method.needs_labels and batches.labels is None:
            raise UsageError(f"--recipe {method.name}", "it learns from labels", "give --labels NAME")
    if wanted.loss is not None and wanted.loss not in losses.IMITATING:
        losses.supervised(wanted.loss)


class _Run:
    """The recipe on its course: which method, and which of its stages, comes next."""

    def __init__(self, course: Course, teacher: Module | None, chosen: Settings, changes: Changes) -> None:
        self._course, self._chosen = course, chosen
        self._trained = preparing.trained(course.running.student, chosen.train)
        self._teacher, self._changes = teacher, changes
        self._seconds, self._gentle = 0.0, 1.0
        self._done: Iterator[TunedStage] = iter(())

    def go(self, methods: Sequence[Method], after: Callable[[tuple[TunedStage, ...]], None] | None) -> None:
        """Run the methods that are not finished yet; what one leaves of its time is for those behind it."""
        standing, student = self._course.kept.standing, self._course.running.student
        imitating = any(method.needs_teacher for method in methods)
        if imitating and self._teacher is not None and self._chosen.learning_rate is None:
            apart = preparing.distance(student, self._teacher, self._course.samples)
            near = settings.NEAR_PICTURES if self._changes.task == "pictures" else settings.NEAR
            self._gentle = max(settings.GENTLEST, min(1.0, apart / near))
        self._restore()
        for method in methods[standing.methods :]:
            finished = len(standing.stages) - standing.within
            spent = 60 * sum(stage.minutes for stage in standing.stages[:finished])
            self._seconds = max(0.0, self._chosen.seconds - spent) / (len(methods) - standing.methods)
            self._done = iter(standing.stages[finished:])
            train = partial(self._train, method.name)
            stages = method.run(
                Work(
                    student=student,
                    teacher=self._teacher,
                    samples=self._course.samples,
                    settings=self._chosen,
                    trained=self._trained,
                    pictures=self._course.pictures,
                    mirrored=self._changes.mirrored,
                    together=self._course.together,
                    train=train,
                )
            )
            standing.methods, standing.within = standing.methods + 1, 0
            if standing.methods < len(methods):
                standing.times, standing.remembers = (), None  # what is fast for one method need not be for another
            if after is not None:
                after(stages)
            self._course.kept.write({"student": student.state_dict()})

    def _train(self, method: str, objective: Objective, share: float) -> TunedStage:
        kept, running = self._course.kept, self._course.running
        standing = kept.standing
        finished = next(self._done, None)
        if finished is not None:
            return finished
        began = self._course.timer()
        if not standing.times:
            standing.times = self._fastest(objective)
        running.use(standing.times[0].way)
        step = self._prepared(objective)
        chosen = self._chosen
        spent = self._course.timer() - began
        peak = _peak(chosen) * (self._gentle if METHODS[method].needs_teacher else 1.0)
        budget = Budget(share * self._seconds, spent, step, chosen.epochs, peak, chosen.optimiser)
        made = Loop(method, objective, self._course, budget).run()
        standing.stages, standing.within, standing.position = (*standing.stages, made), standing.within + 1, None
        return made

    def _fastest(self, objective: Objective) -> tuple[WayTime, ...]:
        """Ways to run by the time of a step."""
        course, epochs = self._course, self._chosen.epochs
        with self._trying(objective) as step:
            times = course.running.fastest(step, course.timer, settings.TRIAL * self._chosen.seconds)
            steps = None if epochs is None else epochs * course.samples.steps_per_epoch
            lasting = self._seconds if steps is None else steps * times[0].seconds
            return course.running.compiled(step, course.timer, times, lasting)

    def _prepared(self, objective: Objective) -> float:
        """Remember the teacher's answers where that is worth it; seconds of a step from then on."""
        answers, course, standing = objective.answers, self._course, self._course.kept.standing
        if standing.remembers is None:
            standing.remembers = answers is not None and self._worth_remembering(answers)
        if answers is None or not standing.remembers:
            return standing.times[0].seconds
        answers.remember(course.running, course.progress)
        with self._trying(objective) as step:
            return course.running.seconds(step, course.timer)

    def _worth_remembering(self, answers: Answers) -> bool:
        """Whether the teacher is best asked about all samples in advance."""
        course, epochs = self._course, self._chosen.epochs
        if not answers.memorable:
            return False
        if epochs is not None:
            return epochs >= 1
        return answers.seconds(course.running, course.timer) <= settings.ANSWERS_SHARE * self._seconds

    @contextmanager
    def _trying(self, objective: Objective) -> Iterator[Callable[[], None]]:
        """A step without its update; statistics stay as they are meanwhile."""
        student, course = self._course.running.student, self._course

        def step() -> None:
            with course.running.precision():
                loss = objective(course.batch(0))
            loss.backward()
            objective.zero_grad(set_to_none=True)

        frozen = student.statistics_frozen
        objective.train()
        student.freeze_statistics()
        yield step
        student.freeze_statistics(frozen)

    def _restore(self) -> None:
        """Put the weights back that a run that was cut short had reached."""
        kept = self._course.kept
        if not kept.tensors:
            return
        try:
            self._course.running.student.load_state_dict(kept.tensors["student"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise kept.damaged(error) from error


def _peak(chosen: Settings) -> float:
    """The learning rate at its peak: the user's, or the usual one."""
    return chosen.learning_rate or settings.RATES[chosen.optimiser]


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@contextmanager
def _threads(wanted: int | None) -> Iterator[int]:
    """Torch with so many threads, as many as it had behind it."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield wanted or before
    finally:
        torch.set_num_threads(before)


def _check_numbers(wanted: Settings) -> None:
    """Raise UsageError for numbers that no run can go by."""
    for name, least in (("batch", 1), ("seed", 0)):
        if getattr(wanted, name) < least:
            raise UsageError(name, f"{getattr(wanted, name)} is below {least}", "give a whole number from there on")
    for name in ("seconds", "epochs", "learning_rate", "temperature", "threads"):
        value = getattr(wanted, name)
        if value is not None and not 0 < value < inf:
            raise UsageError(name.replace("_", " "), f"{value} is no number above 0", "leave it out")


def _notices(stages: Sequence[TunedStage]) -> Iterator[Remark]:
    """What the user should know of how it went."""
    for stage in stages:
        if stage.rollbacks:
            text = (
                f"{stage.method} diverged {_times(stage.rollbacks)}: it went back to its best weights each time, "
                f"and on with a lower learning rate, at last {stage.learning_rate:.2g}"
            )
            yield Remark("diverged", text)
        if not stage.kept:
            yield Remark("no-gain", f"{stage.method} found nothing better than its start, which is kept")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

"""Student, teacher, Batches -> the student trained, in place, and the record of how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from convprof.data import Batches
from convprof.errors import ModelError, UsageError
from convprof.records.progress import Progress
from convprof.records.remarks import Remark
from convprof.records.tuning import TunedStage, Way, WayTime
from convprof.torch import Module
from convprof.torch.composing import MARK
from convprof.tuning.augmenting import NAMES, Augmentation
from convprof.tuning.keeping import Kept
from convprof.tuning.loop import Budget, Course, Loop
from convprof.tuning.methods import METHODS, Method, Work
from convprof.tuning.objective import Objective
from convprof.tuning.running import Running
from convprof.tuning.samples import Batch, Samples
from convprof.tuning.settings import Settings
from convprof.tuning.targets import find_targets


@dataclass(frozen=True)
class Tuned:
    """What a run came to."""

    stages: tuple[TunedStage, ...]
    times: tuple[WayTime, ...]
    augment: tuple[str, ...]
    mirrored: bool
    device: str
    notices: tuple[Remark, ...]

    @property
    def way(self) -> Way:
        """How the student was run."""
        return self.times[0].way


def tune(
    student: Module,
    teacher: Module | None,
    batches: Batches,
    wanted: Settings,
    kept: Kept,
    timer: Callable[[], float],
    progress: Progress,
) -> Tuned:
    """Train the student by the methods of the recipe, one after another."""
    methods = _methods(wanted, teacher, batches)
    torch.set_num_threads(wanted.threads)
    torch.manual_seed(wanted.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    samples = Samples(batches, wanted.batch, wanted.seed, device)
    trained = _trained(student.to(device), wanted.train)
    student.freeze_statistics(wanted.train == "factors")
    if teacher is not None:
        teacher.to(device).eval().requires_grad_(False)
    augment, pictures, mirrored = _augmentation(wanted, teacher or student, next(samples.held_out_batches()), samples)
    running = Running(student, device)
    course = Course(samples, running, Augmentation(augment, wanted.seed), pictures, kept, timer, progress)
    stages: list[TunedStage] = list(kept.progressed.stages)
    done = iter(kept.progressed.stages)

    def train(method: str, objective: Objective, share: float) -> TunedStage:
        before = next(done, None)
        if before is not None:
            return before
        if not kept.progressed.times:
            kept.progressed.times = running.fastest(lambda: course.trial(objective), timer)
        running.use(kept.progressed.times[0].way)
        budget = Budget(share * wanted.seconds / len(methods), wanted.epochs, wanted.learning_rate)
        made = Loop(method, objective, course, budget).run()
        stages.append(made)
        kept.progressed.stages = tuple(stages)
        return made

    for method in methods:
        own = partial(train, method.name)
        method.run(Work(student, teacher, samples, wanted, trained, pictures, mirrored, own))
    student.cpu()
    return Tuned(tuple(stages), kept.progressed.times, augment, mirrored, str(device), ())


def _methods(wanted: Settings, teacher: Module | None, batches: Batches) -> list[Method]:
    unknown = [name for name in wanted.recipe if name not in METHODS]
    if unknown or not wanted.recipe:
        raise UsageError("--recipe", f"no method is called {', '.join(unknown)}", f"known are {', '.join(METHODS)}")
    methods = [METHODS[name] for name in wanted.recipe]
    for method in methods:
        if method.needs_teacher and teacher is None:
            raise UsageError(f"--recipe {method.name}", "it imitates a teacher", "give --teacher ORIGINAL.onnx")
        if method.needs_labels and batches.labels is None:
            raise UsageError(f"--recipe {method.name}", "it needs labels", "give --labels NAME")
    return methods


def _trained(student: Module, train: str) -> dict[str, nn.Parameter]:
    """The parameters to train, by torch's names; the others stay as they are."""
    chosen = {
        name: parameter
        for name, parameter in student.named_parameters()
        if train == "all" or MARK in student.names[name]
    }
    if not chosen:
        why = "it has no convolutions that convprof replaced"
        raise ModelError(student.network.what, why, "give a converted model, or train all weights with --train all")
    student.requires_grad_(False)
    for parameter in chosen.values():
        parameter.requires_grad_(True)
    return chosen


def _augmentation(wanted: Settings, model: Module, batch: Batch, samples: Samples) -> tuple[tuple[str, ...], str, bool]:
    """How pictures are changed, which input they are, and whether the teacher sees them mirrored too."""
    names = wanted.augment if wanted.augment is not None else ("flip", "crop")
    if unknown := [name for name in names if name not in NAMES]:
        raise UsageError("--augment", f"{', '.join(unknown)} is not known", f"known are {', '.join(NAMES)}, and none")
    return (
        names,
        next(iter(batch.feeds)),
        "flip" in names and all(target.kind == "logits" for target in find_targets(model, batch)),
    )

"""Trains the model that a plan has made to answer as the original does: what `optimize --tune` does behind the fit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from convprof import processes
from convprof.data import Batches
from convprof.errors import UsageError
from convprof.graph import Model, read
from convprof.notices import is_synthetic
from convprof.pipeline import recipes
from convprof.pipeline.job import Conversion, Job
from convprof.pipeline.steps import compare
from convprof.pipeline.training import STATE, keep
from convprof.records.remarks import Remark
from convprof.records.run import StageScore
from convprof.records.tuning import Settings, TunedStage

if TYPE_CHECKING:
    from convprof.torch import Module


@dataclass(frozen=True)
class Recovered:
    """The conversion as it was trained, and how near it was to the original after each method."""

    conversion: Conversion
    scores: tuple[StageScore, ...] = ()
    notices: tuple[Remark, ...] = ()


def learns_labels(settings: Settings) -> bool:
    """Whether a method of the recipe needs the labels of what it is trained on; without torch none does."""
    return settings.recipe is not None and recipes.FINETUNE in settings.recipe


def check(opened: Model, batches: Batches | None, settings: Settings) -> None:
    """Raise what would come of training the model behind a long fit: no data, no torch, operators or methods unknown.

    Synthetic pictures are no data: what is trained on them for long fits them and nothing else. And several processes
    would each plan, measure and write.
    """
    if batches is None or is_synthetic(batches):
        raise UsageError("--tune", "there is no data to train on", "give --calibration DATA")
    if processes.count() > 1:
        why = f"it was started as {processes.count()} processes, and all but the training is for one"
        raise UsageError("--tune", why, "start `convprof tune` with torchrun, on the model that optimize has written")
    recipe = settings.recipe or recipes.usual(opened.program, batches.count)
    if recipes.BIAS in recipe:
        why = "behind a fit to data the means are those of the original already"
        raise UsageError(f"--recipe {','.join(recipe)}", why, "leave bias out")
    from convprof import torch as modules
    from convprof import tuning

    tuning.check(msgspec.structs.replace(settings, recipe=recipe), modules.from_model(opened), batches)


def recover(job: Job, done: Conversion, settings: Settings, resume: bool, ends: ExitStack) -> Recovered:
    """Train by the settings, all weights of the conversion's model, and write it again.

    Each method's result is compared with the original on the data for judging. Where the training stands is kept beside
    the user's folder until `ends` is closed; with `resume` it goes on from there.
    """
    if job.batches is None or not done.plan.layers:
        return Recovered(done)
    from convprof import torch as modules
    from convprof import tuning

    student, teacher = modules.from_model(done.written), modules.from_model(job.opened)
    if settings.recipe is None:
        settings = msgspec.structs.replace(settings, recipe=recipes.usual(job.opened.program, job.batches.count))
    place = job.final.absolute()
    state = place.with_name(f"{place.name}{STATE}")
    judging = {"evaluation data": "" if job.judged is None else job.judged.fingerprint, "metric": job.metric or ""}
    kept = ends.enter_context(keep(state, student, teacher, job.batches, settings, resume, judging))
    path = Path(done.written.file.path)

    def after(stages: tuple[TunedStage, ...]) -> None:
        if job.judged is None:
            return
        _write(modules.save, student, path, job.folder)
        fidelity = compare(job.opened, job.path, path, job.judged, job.metric, job.options, job.progress)
        seconds = 60 * sum(stage.minutes for stage in stages)
        score = StageScore(stages[0].method, fidelity, stages[0].samples, seconds)
        kept.standing.scores = (*kept.standing.scores, score)

    tuned = tuning.tune(
        student, teacher, job.batches, settings, kept, timer=job.timer, progress=job.progress, after=after
    )
    _write(modules.save, student, path, job.folder)
    scores = kept.standing.scores
    fidelity = scores[-1].fidelity if scores else None
    file, program = read(path)
    made = replace(done, written=replace(done.written, file=file, program=program), fidelity=fidelity)
    return Recovered(made, scores, tuned.notices)


def _write(save: Callable[[Module, Path], None], module: Module, path: Path, scratch: Path) -> None:
    """Put the module's weights into the file that it came from."""
    with TemporaryDirectory(prefix=".tuned-", dir=scratch) as folder:
        save(module, Path(folder) / path.name)
        path.with_name(f"{path.name}.data").unlink(missing_ok=True)
        for part in sorted(Path(folder).iterdir()):
            part.replace(path.with_name(part.name))

"""The verb that trains a converted model: tune."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from convprof import processes
from convprof._version import __version__
from convprof.data import Batches, open_data
from convprof.execution import load, settle
from convprof.files import keep_apart, staged
from convprof.graph import save_program
from convprof.pipeline import recipes
from convprof.pipeline.biases import correct_biases
from convprof.records.files import encode
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark
from convprof.records.tuning import Settings, Tuning
from convprof.runtime import RunOptions, environment

if TYPE_CHECKING:
    from convprof.torch import Module
    from convprof.tuning import Kept

RECORD, STATE = ".tuning.json", ".tune"
_DEFAULTS = Settings()
_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_GAIN = Remark("no-gain", "bias found nothing better than its start, which is kept")


def tune(
    student: str | Path,
    output: str | Path | None = None,
    *,
    calibration: str,
    teacher: str | Path | None = None,
    labels: str | None = None,
    preprocess: str | None = None,
    settings: Settings = _DEFAULTS,
    resume: bool = False,
    progress: Progress = silent,
) -> Tuning:
    """Train the model at `student` on the calibration data, by default to answer as `teacher` does.

    The result is written to `output`, by default beside the student with `.tuned` in its name, and the record that is
    returned beside it as `.tuning.json`. Where the run stands is kept in `output`.tune until it ends; `resume` goes on
    from there, and gives what the run would have given. Started several times by torchrun, all processes train
    together and the first one writes. Needs torch, that is `pip install 'convprof[tune]'`, for every
    method but `bias`.
    """
    source = Path(student)
    target = Path(output) if output is not None else source.with_name(f"{source.stem}.tuned{source.suffix}")
    keep_apart(target, [source, *([] if teacher is None else [Path(teacher)])])
    loaded = load(source)
    batches = open_data(calibration, loaded.inputs, preprocess=preprocess, labels=labels)
    recipe = recipes.usual(loaded.program, batches.count) if settings.recipe is None else settings.recipe
    methods = recipes.trained(recipe, teacher)
    record = Tuning(
        schema="convprof.tuning/1",
        convprof=__version__,
        torch=None,
        device="cpu",
        processes=1,
        student=loaded.file,
        teacher=None if teacher is None else load(Path(teacher)).file,
        path=str(target),
        data=calibration,
        labels=labels,
        settings=msgspec.structs.replace(settings, recipe=recipe),
        mirrored=False,
        mirror_agreement=None,
        times=(),
        stages=(),
    )
    corrected = None
    if recipes.BIAS in recipe and teacher is not None:
        corrected, stage = correct_biases(
            settle(loaded, {}, {}, batches.shapes),
            settle(load(Path(teacher)), {}, {}, batches.shapes),
            batches,
            options=RunOptions(settings.threads or 1),
            timer=time.perf_counter,
            progress=progress,
        )
        record = msgspec.structs.replace(record, stages=(stage,), notices=() if stage.kept else (_NO_GAIN,))
    if corrected is not None and not methods:
        return _left(record, partial(save_program, corrected.program, source=source))

    from convprof import torch as modules
    from convprof import tuning

    module = modules.load(source) if corrected is None else modules.from_model(corrected)
    original = None if teacher is None else modules.load(teacher)
    wanted = msgspec.structs.replace(settings, recipe=methods)
    with keep(target.with_name(f"{target.name}{STATE}"), module, original, batches, wanted, resume) as kept:
        tuned = tuning.tune(module, original, batches, wanted, kept, timer=time.perf_counter, progress=progress)
        record = msgspec.structs.replace(
            record,
            torch=tuned.torch,
            device=tuned.device,
            processes=tuned.processes,
            settings=msgspec.structs.replace(tuned.settings, recipe=recipe),
            mirrored=tuned.changes.mirrored,
            mirror_agreement=tuned.changes.agreement,
            times=tuned.times,
            stages=(*record.stages, *tuned.stages),
            notices=(*record.notices, *tuned.notices),
        )
        return _left(record, partial(modules.save, module))


def _left(record: Tuning, save: Callable[[Path], None]) -> Tuning:
    """The record, written beside the model by the first process."""
    if processes.rank() > 0:
        return record
    target = Path(record.path)
    with staged(target.parent) as folder:
        save(folder / target.name)
        (folder / f"{target.stem}{RECORD}").write_text(encode(record), encoding="utf-8")
    return record


def keep(
    path: Path,
    student: Module,
    teacher: Module | None,
    batches: Batches,
    settings: Settings,
    resume: bool,
    judging: Mapping[str, str] = _NOTHING,
) -> Kept:
    """The place where it is kept how far a training run has come; errors as of `convprof.tuning.Kept`.

    `judging` is what the scores that are kept there depend on, by the words for it.
    """
    from convprof.tuning import Kept

    key = {**_key(student, teacher, batches), **_told(settings), **judging}
    return Kept(path, key, resume, processes.rank() == 0)


def _key(student: Module, teacher: Module | None, batches: Batches) -> dict[str, str]:
    """What a run depends on besides its settings, by the words for it."""
    here = environment(RunOptions())
    return {
        "version of convprof": __version__,
        "processor": here.cpu or "",
        "model": _digest(student),
        "teacher": "" if teacher is None else _digest(teacher),
        "data": batches.fingerprint,
        "number of processes": str(processes.count()),
    }


def _told(settings: Settings) -> dict[str, str]:
    """The settings, each by its name."""
    return {name: repr(value) for name, value in msgspec.structs.asdict(settings).items()}


def _digest(module: Module) -> str:
    """sha256 (hex) over a graph and its weights."""
    digest = hashlib.sha256(module.blueprint)
    for name, values in module.weights().items():
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()

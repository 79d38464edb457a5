"""The verb that trains a converted model: tune."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from convprof._version import __version__
from convprof.data import Batches, open_data
from convprof.files import keep_apart, staged
from convprof.graph import declared_inputs, read
from convprof.records.files import encode
from convprof.records.progress import Progress, silent
from convprof.records.tuning import Settings, Tuning
from convprof.runtime import RunOptions, environment

if TYPE_CHECKING:
    from convprof.torch import Module

RECORD, STATE = ".tuning.json", ".tune"
_DEFAULTS = Settings()


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
    from there, and gives what the run would have given. Needs torch, that is `pip install 'convprof[tune]'`.
    """
    from convprof import torch as modules
    from convprof import tuning

    source = Path(student)
    target = Path(output) if output is not None else source.with_name(f"{source.stem}.tuned{source.suffix}")
    keep_apart(target, [source, *([] if teacher is None else [Path(teacher)])])
    file, program = read(source)
    batches = open_data(calibration, declared_inputs(program), preprocess=preprocess, labels=labels)
    module = modules.load(source)
    original = None if teacher is None else modules.load(teacher)
    key = {**_key(module, original, batches), **_told(settings)}
    with tuning.Kept(target.with_name(f"{target.name}{STATE}"), key, resume) as kept:
        tuned = tuning.tune(module, original, batches, settings, kept, timer=time.perf_counter, progress=progress)
        record = Tuning(
            schema="convprof.tuning/1",
            convprof=__version__,
            torch=tuned.torch,
            device=tuned.device,
            student=file,
            teacher=None if teacher is None else read(Path(teacher))[0],
            path=str(target),
            data=calibration,
            labels=labels,
            settings=tuned.settings,
            mirrored=tuned.changes.mirrored,
            mirror_agreement=tuned.changes.agreement,
            times=tuned.times,
            stages=tuned.stages,
            notices=tuned.notices,
        )
        with staged(target.parent) as folder:
            modules.save(module, folder / target.name)
            (folder / f"{target.stem}{RECORD}").write_text(encode(record), encoding="utf-8")
    return record


def _key(student: Module, teacher: Module | None, batches: Batches) -> dict[str, str]:
    """What a run depends on besides its settings, by the words for it."""
    here = environment(RunOptions())
    return {
        "version of convprof": __version__,
        "processor": here.cpu or "",
        "model": _digest(student),
        "teacher": "" if teacher is None else _digest(teacher),
        "data": batches.fingerprint,
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

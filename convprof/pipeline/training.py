"""The verb that trains a converted model: tune."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from convprof._version import __version__
from convprof.data import open_data
from convprof.files import keep_apart, staged
from convprof.graph import declared_inputs, read
from convprof.records.files import encode
from convprof.records.progress import Progress, silent
from convprof.records.tuning import Tuning

RECORD = ".tuning.json"
_STATE = ".tune"


def tune(
    student: str | Path,
    output: str | Path | None = None,
    *,
    teacher: str | Path | None = None,
    calibration: str,
    labels: str | None = None,
    preprocess: str | None = None,
    recipe: Sequence[str] = ("distill",),
    train: Literal["factors", "all"] = "all",
    augment: Sequence[str] | None = None,
    seconds: float = 1200.0,
    epochs: float | None = None,
    batch: int = 128,
    learning_rate: float = 1.5e-3,
    loss: str | None = None,
    temperature: float = 2.0,
    seed: int = 0,
    threads: int = 1,
    resume: bool = False,
    progress: Progress = silent,
) -> Tuning:
    """Train the model at `student` and write it to `output`, by default beside it with `.tuned` in its name."""
    from convprof import torch as modules
    from convprof import tuning

    source = Path(student)
    target = Path(output) if output is not None else source.with_name(f"{source.stem}.tuned{source.suffix}")
    keep_apart(target, [source, *([Path(teacher)] if teacher is not None else [])])
    wanted = tuning.Settings(
        tuple(recipe),
        train,
        None if augment is None else tuple(augment),
        seconds,
        epochs,
        batch,
        learning_rate,
        loss,
        temperature,
        seed,
        threads,
    )
    _, program = read(source)
    batches = open_data(calibration, declared_inputs(program), preprocess=preprocess, labels=labels)
    module = modules.load(source)
    original = None if teacher is None else modules.load(teacher)
    kept = tuning.Kept(target.with_name(f"{target.name}{_STATE}"), {"data": batches.fingerprint}, resume)
    tuned = tuning.tune(module, original, batches, wanted, kept, time.perf_counter, progress)
    record = Tuning(
        schema="convprof.tuning/1",
        convprof=__version__,
        student=str(student),
        teacher=None if teacher is None else str(teacher),
        path=str(target),
        data=calibration,
        labels=labels,
        recipe=wanted.recipe,
        train=train,
        augment=tuned.augment,
        mirrored=tuned.mirrored,
        seed=seed,
        threads=threads,
        device=tuned.device,
        way=tuned.way,
        times=tuned.times,
        stages=tuned.stages,
        notices=tuned.notices,
    )
    with staged(target.parent) as folder:
        modules.save(module, folder / target.name)
        (folder / f"{target.stem}{RECORD}").write_text(encode(record), encoding="utf-8")
    kept.discard()
    return record

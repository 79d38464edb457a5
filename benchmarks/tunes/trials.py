"""One row measured: converted, started, trained for so many minutes, and judged on test inputs all along the way."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import torch
from fits import pictures
from fits.parts import Raw
from fits.subjects import Subject, difference
from fits.trained import DNCNN, Setting

import convprof
from convprof.records.plan import Budget
from convprof.records.tuning import Settings
from convprof.torch import load, save
from convprof.tuning.keeping import Standing
from convprof.tuning.samples import held_out_count
from tunes import mimicry, starts
from tunes.rows import Row

_CROPS = 60
_SIDE = 64
_LOOKS = 12
"""Points of the curve besides its ends: each is judged on all test inputs, when training has ended."""


def measure(row: Row, setting: Setting, minutes: float, threads: int) -> Raw:
    """Everything that is told of a row."""
    mimicry.register()
    subject = Subject(row.trained, setting)
    seed = setting.seeds[0]
    data = _data(row, subject)
    began = time.perf_counter()
    student = _student(row, subject, seed)
    converted = time.perf_counter() - began
    output = setting.folder / "tuned.onnx"
    watch = _Watch(output.with_name(f"{output.name}.tune"))
    _say(f"{row.name}: training for {minutes:g} minutes")
    record = convprof.tune(
        student,
        output,
        teacher=subject.path,
        calibration=str(data),
        labels="y" if row.labels else None,
        preprocess=row.trained.preprocess,
        settings=_settings(row, seed, minutes, threads, _count(data)),
        progress=watch,
    )
    start, end = subject.judge(student), subject.judge(output)
    scale = row.trained.scale
    change, interval = difference(subject.dense, end, scale)
    return {
        "plan": row.plan,
        "start": row.start,
        "unit": row.trained.unit,
        "minutes": minutes,
        "dense": scale * float(subject.dense.mean()),
        "before": scale * float(start.mean()),
        "after": scale * float(end.mean()),
        "change": change,
        "interval": interval,
        "tests": len(end),
        "share": _share(subject, student),
        "conversion": converted,
        "curve": _curve(watch, subject, student, setting.folder / "point.onnx"),
        "record": msgspec.to_builtins(msgspec.structs.replace(record, student=None, teacher=None, path="", data="")),
    }


@dataclass
class _Watch:
    """A run's state, read whenever it is written, and its progress on stderr now and then."""

    state: Path
    points: list[tuple[float, dict[str, torch.Tensor]]] = field(default_factory=list)
    _written: int = 0
    _said: float = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        if time.monotonic() - self._said > 60:
            self._said = time.monotonic()
            _say(f"    {what}: {done:,}/{total:,}")
        written = self.state.stat().st_mtime_ns if self.state.is_file() else 0
        if written == self._written:
            return
        self._written = written
        found = torch.load(self.state, weights_only=True)
        position = msgspec.json.decode(found["standing"], type=Standing).position
        if position is not None:
            self.points.append((position.seconds / 60, found["tensors"]["best"]))


def _curve(watch: _Watch, subject: Subject, student: Path, place: Path) -> list[tuple[float, float]]:
    """Minutes, and the score of what would have been kept then."""
    wanted = {round(at) for at in np.linspace(0, len(watch.points) - 1, min(_LOOKS, len(watch.points)))}
    module = load(student)
    weights, found = {**dict(module.named_parameters()), **dict(module.named_buffers())}, []
    for number in sorted(wanted):
        minutes, best = watch.points[number]
        with torch.no_grad():
            for name, value in best.items():
                weights[name].copy_(value)
        save(module, place)
        found.append((minutes, subject.trained.scale * float(subject.judge(place).mean())))
    return found


def _settings(row: Row, seed: int, minutes: float, threads: int, samples: int) -> Settings:
    settings = Settings(seed=seed, threads=threads, seconds=60 * minutes)
    settings = msgspec.structs.replace(settings, **row.settings)
    if row.steps is None:
        return settings
    steps = min(row.steps, samples)
    return msgspec.structs.replace(settings, epochs=steps * settings.batch / (samples - held_out_count(samples)))


def _student(row: Row, subject: Subject, seed: int) -> Path:
    folder = subject.setting.folder
    plain, started = folder / "student.onnx", folder / "started.onnx"
    fit = {"calibration": str(subject.calibration), "preprocess": row.trained.preprocess}
    if row.rank is None:
        convprof.plan(subject.path, folder / "plan", budget=Budget(target_macs=0.5), skip=subject.skipped, **fit)
        convprof.rewrite(subject.path, plain, plan=folder / "plan" / "plan.json", seed=seed, **fit)
        return plain
    plan = subject.uniform(row.rank)
    init = "calibrated" if row.start == "fitted" else "weights"
    convprof.rewrite(subject.path, plain, plan=plan, init=init, seed=seed, **fit)
    if row.start == "random":
        starts.random(plain, subject.path, started, seed)
    elif row.start == "gradient descent":
        starts.descended(plain, subject.path, started, seed)
    return started if started.exists() else plain


def _data(row: Row, subject: Subject) -> Path:
    """What is trained on: CIFAR's training pictures, or squares of Set68."""
    setting, path = subject.setting, subject.setting.folder / "train.npz"
    if row.trained.preprocess is not None:
        source = setting.data / "cifar10_train.npz"
        count = setting.inputs if setting.trial else row.pictures
        if count is None:
            return source
        with np.load(source) as stored:
            drawn = np.random.default_rng(0).permutation(len(stored["x"]))[: max(count, 256)]
            np.savez(path, x=stored["x"][drawn], y=stored["y"][drawn])
        return path
    clean = pictures.read(setting.data / "gray" / "Set68")[: 4 if setting.trial else None]
    degrade = pictures.noisy if row.trained is DNCNN else pictures.doubled
    random = np.random.default_rng(2)
    pairs = [degrade(crop, random) for crop in pictures.crops(clean, _SIDE, _CROPS, seed=2)]
    np.savez(path, x=np.stack([given for given, _ in pairs]), y=np.stack([wanted for _, wanted in pairs]))
    return path


def _count(data: Path) -> int:
    with np.load(data) as stored:
        return len(stored["y"])


def _share(subject: Subject, student: Path) -> float:
    """MACs of the student as a share of the original's, at the sizes of the calibration inputs."""
    return subject.macs(student) / subject.counted.totals.macs


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

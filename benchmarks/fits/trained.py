"""The trained networks, and how the shared data become what they take and what they should answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fits import pictures

Values = NDArray[Any]
Scores = NDArray[np.float64]
PREPROCESS = "scale=1,mean=125.3:123.0:113.9,std=62.99:62.09:66.70"


@dataclass(frozen=True)
class Setting:
    """Where things are, and how much of everything is used."""

    models: Path
    data: Path
    folder: Path
    """For what lasts as long as the run."""
    seeds: tuple[int, ...] = (0, 1, 2)
    inputs: int | None = None
    """At most so many calibration inputs, and below so many test inputs: for trials of the benchmark itself."""
    tests: int | None = None

    @property
    def first(self) -> Setting:
        """The same with the first seed only."""
        return Setting(self.models, self.data, self.folder, self.seeds[:1], self.inputs, self.tests)

    @property
    def trial(self) -> bool:
        """Whether this only shows that the benchmark runs."""
        return self.tests is not None

    def most(self, count: int) -> int:
        """`count` calibration inputs, or as many as a trial may use."""
        return count if self.inputs is None else min(count, self.inputs)


@dataclass(frozen=True)
class Trained:
    """One network: `collect` writes or finds its .npz of calibration inputs, and of test inputs with labels in `y`."""

    name: str
    unit: str
    score: Callable[[Values, Values], Scores]
    collect: Callable[[Setting], tuple[Path, Path]]
    preprocess: str | None = None
    scale: float = 1.0
    """What scores are shown as multiples of."""
    at_once: int = 1

    @property
    def file(self) -> str:
        """The model's file in the folder of models."""
        return f"{self.name}.onnx"


def top1(answers: Values, labels: Values) -> Scores:
    """1 where the largest answer is the label's, else 0."""
    scores: Scores = (answers.argmax(axis=1) == labels).astype(np.float64)
    return scores


def psnr(answers: Values, wanted: Values) -> Scores:
    """Decibels of every picture, peak 1; of the answer only what is in `wanted`, cut off at 0 and 1."""
    height, width = wanted.shape[2:]
    error = answers[:, :, :height, :width].clip(0, 1).astype(np.float64) - wanted
    scores: Scores = -10 * np.log10(np.square(error).mean(axis=(1, 2, 3)))
    return scores


def _cifar(setting: Setting) -> tuple[Path, Path]:
    """The files as they are; for a trial some of the test pictures from all over the file, which is sorted by class."""
    inputs, tests = setting.data / "cifar10_calib.npz", setting.data / "cifar10_test.npz"
    if setting.tests is None:
        return inputs, tests
    few = setting.folder / "cifar10_few.npz"
    with np.load(tests) as stored:
        step = max(1, len(stored["y"]) // setting.tests)
        np.savez(few, allow_pickle=False, x=stored["x"][::step], y=stored["y"][::step])
    return inputs, few


def _restoring(name: str, degrade: pictures.Degrade, crop: int | None, side: int) -> Trained:
    """A network that restores pictures: calibrated on squares of `crop`, judged on pictures of `side`."""

    def collect(setting: Setting) -> tuple[Path, Path]:
        inputs, tests = (setting.folder / f"{name}_{use}.npz" for use in ("calib", "test"))
        if not tests.exists():
            given, wanted = pictures.tests(setting.data, degrade, side)
            np.savez(inputs, allow_pickle=False, x=pictures.calibration(setting.data, degrade, crop))
            np.savez(tests, allow_pickle=False, x=given, y=wanted)
        return inputs, tests

    return Trained(name, "PSNR, dB", psnr, collect)


RESNET20 = Trained("resnet20_cifar10", "top-1 %", top1, _cifar, PREPROCESS, 100.0, at_once=200)
WIDE = Trained("wide_cifar10", "top-1 %", top1, _cifar, PREPROCESS, 100.0, at_once=200)
DNCNN = _restoring("dncnn_25", pictures.noisy, 64, 256)
WAIFU2X = _restoring("waifu2x_vgg7_scale_rgb", pictures.doubled, 64, 256)
ESPCN = _restoring("espcn_x3", pictures.third, None, 512)
NETWORKS = (RESNET20, WIDE, DNCNN, WAIFU2X, ESPCN)

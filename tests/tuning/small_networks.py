"""A small classifier and a small picture network, converted badly enough that training has something to win back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

import convprof
from convprof import processes, tuning
from convprof import torch as modules
from convprof.data import open_data
from convprof.graph import declared_inputs, read
from convprof.records.tuning import Settings

CLASSES = """g (float[N, 1, 8, 8] x) => (float[N, 4] y) {
    [conv1] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
    b = Relu(a)
    [conv2] c = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (b, w2, b2)
    d = Relu(c)
    e = GlobalAveragePool(d)
    f = Flatten(e)
    [head] y = Gemm <transB = 1> (f, w3, b3)
}"""
SOFT = CLASSES.replace("(float[N, 4] y)", "(float[N, 4] p)").replace("\n}", "\n    p = Softmax(y)\n}")
PICTURES = """g (float[N, 1, 8, 8] x) => (float[N, 1, 8, 8] y) {
    [conv1] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
    b = Relu(a)
    [conv2] c = Conv <pads = [1, 1, 1, 1]> (b, w2, b2)
    d = Relu(c)
    [conv3] y = Conv <pads = [1, 1, 1, 1]> (d, w4, b4)
}"""
NORMALISED = CLASSES.replace("b = Relu(a)", "n = BatchNormalization(a, s, t, m, v)\n    b = Relu(n)")

_SHAPES = {
    "w1": (6, 1, 3, 3),
    "b1": (6,),
    "w2": (8, 6, 3, 3),
    "b2": (8,),
    "w3": (4, 8),
    "b3": (4,),
    "w4": (1, 8, 3, 3),
    "b4": (1,),
    "s": (6,),
    "t": (6,),
    "m": (6,),
    "v": (6,),
}


@dataclass(frozen=True)
class Problem:
    """A teacher, its conversion, and inputs with and without labels."""

    teacher: Path
    student: Path
    data: Path
    folder: Path

    def tune(self, output: str = "out.onnx", **options: Any) -> Any:
        """Train with settings by name, and what else `convprof.tune` takes."""
        names = set(Settings.__struct_fields__) & set(options)
        usual = {"recipe": ("distill",), "batch": 32, "learning_rate": 0.01, "threads": 1}
        settings = Settings(**{**usual, **{name: options.pop(name) for name in names}})
        return convprof.tune(
            self.student,
            self.folder / output,
            **{"teacher": self.teacher, "calibration": str(self.data), "settings": settings, **options},
        )

    def weights(self, output: str = "out.onnx") -> dict[str, NDArray[Any]]:
        """The constants of a written model."""
        return weights(self.folder / output)


def problem(folder: Path, text: str = CLASSES, samples: int = 360, form: str = "depthwise-pointwise") -> Problem:
    """The network of `text` with random weights, its convs at rank 1 by their weights alone, and random inputs."""
    teacher, student, data = folder / "teacher.onnx", folder / "student.onnx", folder / "data.npz"
    random = np.random.default_rng(0)
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
    for name, shape in _SHAPES.items():
        if f"{name})" in text or f"{name}," in text:
            values = np.abs(random.standard_normal(shape)) if name in "sv" else random.standard_normal(shape)
            model.graph.initializer.append(numpy_helper.from_array((values / 2).astype(np.float32), name))
    onnx.save(model, teacher)
    convprof.rewrite(teacher, student, form=form, rank=(1,), only=["conv2"], init="weights")
    x = random.standard_normal((samples, 1, 8, 8)).astype(np.float32)
    np.savez(data, x=x, label=random.integers(0, 4, samples), wanted=x * 0.5)
    return Problem(teacher, student, data, folder)


def trained(
    each: Problem,
    settings: Settings,
    stop_after: int | None = None,
    resume: bool = False,
    output: str = "out.onnx",
    clock: Iterable[float] | None = None,
) -> tuning.Tuned:
    """A run whose clock does not depend on the machine, cut short after so many steps where that is asked for."""
    steps = itertools.count(1)

    def progress(what: str, done: int, total: int) -> None:
        if "answers" not in what and next(steps) == stop_after:
            raise KeyboardInterrupt

    student, teacher = modules.load(each.student), modules.load(each.teacher)
    labels = "label" if "finetune" in (settings.recipe or ()) else None
    batches = open_data(str(each.data), declared_inputs(read(each.student)[1]), labels=labels)
    state, ours = each.folder / f"{output}.tune", processes.rank() == 0
    with tuning.Kept(state, {"settings": repr(settings)}, resume, ours) as kept:
        timer = iter(itertools.count() if clock is None else clock).__next__
        tuned = tuning.tune(student, teacher, batches, settings, kept, timer=timer, progress=progress)
    modules.save(student, each.folder / output)
    return tuned


def weights(path: Path) -> dict[str, NDArray[Any]]:
    """The constants of a model."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def same(some: dict[str, NDArray[Any]], others: dict[str, NDArray[Any]]) -> bool:
    """Whether two models hold the same numbers, bit for bit."""
    return some.keys() == others.keys() and all(np.array_equal(some[name], others[name]) for name in some)

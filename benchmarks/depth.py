"""Claim: the time of a fit grows with the depth of the network as a straight line, and walking it costs few passes.

Converts networks like the ResNets for CIFAR-10 of 20, 32, 56 and 110 layers (random weights) to depthwise-pointwise at
rank 2 in every 3x3 convolution but the stem, on pictures of 32x32, and counts the time in forward passes: what ONNX
Runtime takes to run the original and the converted network once each over the same pictures, in the same chunks,
interleaved. Seconds are those of the processor, which other programs on the machine disturb less than those of a clock.

    python benchmarks/depth.py [--data DIR] [--depths 20 32 56 110] [--samples 1024]

With DIR the pictures are those of DIR/cifar10_calib.npz (uint8 NHWC in `x`), else smoothed noise. Set
OMP_NUM_THREADS=1: everything is meant to run on one thread. Leaves with 1 if a straight line explains less than 0.99 of
the variance.
"""

from __future__ import annotations

import functools
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from writing import Page, parser

from convprof import analysis, execution, fitting, planning, rewriting, runtime
from convprof.data import open_data
from convprof.fitting import layers
from convprof.graph import Cutter
from convprof.holding import DEFAULT_BUDGET, Store

_ROUNDS = 3
_WIDTHS = (16, 32, 64)
_STRAIGHT = 0.99


@dataclass(frozen=True)
class Result:
    """One network: convolutions replaced, samples, and processor seconds of the fit, of its parts and of a pass."""

    depth: int
    layers: int
    samples: int
    fit: float
    wall: float
    walking: float
    cutting: float
    drifting: float
    forward: float

    @property
    def solving(self) -> float:
        """Gathering the moments and fitting the factors."""
        return self.fit - self.walking - self.cutting - self.drifting


def main() -> int:
    """Fit every depth, write the page."""
    made = parser(__doc__)
    made.add_argument("--depths", type=int, nargs="+", default=[20, 32, 56, 110], help="6 n + 2 each (20 32 56 110)")
    made.add_argument("--samples", type=int, default=1024, help="pictures to calibrate with (1024)")
    options = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = _pictures(options, Path(folder) / "pictures.npz")
        results = [_measure(depth, pictures, Path(folder)) for depth in options.depths]
    page = Page(
        "depth",
        "The time of a fit against the depth of the network",
        "A straight line: each layer costs the same however deep the network is. Walking both networks costs a few "
        "passes over the data; the rest is gathering and solving.",
        "OMP_NUM_THREADS=1 python benchmarks/depth.py --data DATA",
        facts={"n": f"{options.samples:,} pictures", "pictures": "CIFAR-10" if options.data else "noise", "seed": 0},
    )
    page.raw["results"] = [asdict(result) for result in results]
    straight = _tell(page, results)
    page.write(options.output, ("onnxruntime", "numpy", "scipy", "onnx-ir"))
    return int(straight < _STRAIGHT)


def _pictures(options: Namespace, path: Path) -> Path:
    """The calibration pictures, float32 NCHW."""
    if options.data:
        with np.load(options.data / "cifar10_calib.npz") as stored:
            pictures = (stored["x"][: options.samples].transpose(0, 3, 1, 2) - 120.0) / 64
    else:
        pictures = np.random.default_rng(0).standard_normal((options.samples, 3, 32, 32))
        for axis in (2, 3):
            pictures = pictures + np.roll(pictures, 1, axis) + np.roll(pictures, 2, axis)
        pictures /= pictures.std()
    np.savez(path, allow_pickle=False, x=pictures.astype(np.float32))
    return path


def _measure(depth: int, pictures: Path, folder: Path) -> Result:
    print(f"ResNet-{depth}", file=sys.stderr)
    path = folder / f"{depth}.onnx"
    onnx.save(_resnet(depth), path)
    loaded = execution.load(path)
    batches = open_data(str(pictures), loaded.inputs)
    model = execution.settle(loaded, {}, {}, batches.shapes)
    counted = analysis.analyze(model, max_rank=0)
    convs = [conv for conv in counted.convs if conv.kernel_shape == (3, 3)][1:]
    plan = planning.uniform(counted, convs, "depthwise-pointwise", (2,), None)
    prepared, run = rewriting.prepare(model, plan), runtime.RunOptions()
    with Store(DEFAULT_BUDGET, folder) as store, _clocks() as spent:
        wall, start = time.perf_counter(), time.process_time()
        fitted = fitting.fit(prepared, plan, batches, options=run, seed=0, store=store)
        fit, wall = time.process_time() - start, time.perf_counter() - wall
    rewriting.rewrite(prepared, plan, fitted, folder / "converted.onnx")
    sessions = [runtime.open_session(each, run) for each in (path, folder / "converted.onnx")]
    forward = statistics.median(_forward(sessions, list(execution.chunks(model, batches))) for _ in range(_ROUNDS))
    parts = (spent["walk"], spent["cut"], spent["drift"])
    return Result(depth, len(fitted), batches.count, fit, wall, *parts, forward)


def _forward(sessions: list[runtime.Session], chunks: list[dict[str, NDArray[Any]]]) -> float:
    """Seconds of one pass of all networks over the data."""
    start = time.process_time()
    for feeds in chunks:
        for session in sessions:
            session.run(feeds)
    return time.process_time() - start


@contextmanager
def _clocks() -> Iterator[dict[str, float]]:
    """Processor seconds spent in running segments, in cutting and opening them, and in the model's error as a whole."""
    spent = {"walk": 0.0, "cut": 0.0, "drift": 0.0}
    inside: list[str] = []

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if inside:  # the time is somebody else's already
                return function(*arguments, **named)
            inside.append(part)
            start = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent[part] += time.process_time() - start
                inside.pop()

        return call

    places: list[tuple[Any, str, str]] = [
        (runtime.Session, "run", "walk"),
        (runtime, "open_session", "cut"),
        (Cutter, "segment", "cut"),
        (Cutter, "forget", "cut"),
        (execution.Walk, "__init__", "cut"),
        (execution.Walk, "replace", "cut"),
        (execution.Walk, "target", "cut"),
        (layers.Drift, "__init__", "drift"),
        (layers.Drift, "convert", "drift"),
        (layers.Drift, "errors", "drift"),
    ]
    with ExitStack() as stack:
        for owner, name, part in places:
            stack.enter_context(patch.object(owner, name, timed(part, getattr(owner, name))))
        yield spent


def _resnet(depth: int) -> onnx.ModelProto:
    """A residual network for 32x32 pictures: three stages of (depth - 2) / 6 blocks of two 3x3 convs."""
    writer = _Writer(np.random.default_rng(0))
    blocks = (depth - 2) // 6
    value, channels = writer.relu(writer.conv("x", 3, 16)), 16
    for stage, width in enumerate(_WIDTHS):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            shortcut = value if width == channels else writer.conv(value, channels, width, stride, kernel=1)
            inner = writer.relu(writer.conv(value, channels, width, stride))
            # Branches this weak keep the activations of a deep network as large as those of a shallow one.
            branch = writer.conv(inner, width, width, gain=(3 * blocks) ** -0.5)
            value, channels = writer.relu(writer.node("Add", [branch, shortcut])), width
    flat = writer.node("Flatten", [writer.node("GlobalAveragePool", [value])])
    writer.node("Gemm", [flat, writer.weight((channels, 10), channels)], "y")
    graph = helper.make_graph(
        writer.nodes,
        f"resnet{depth}",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        writer.weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class _Writer:
    """Writes nodes and random weights, numbered as they come."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op_type: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{op_type.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return name

    def relu(self, value: str) -> str:
        return self.node("Relu", [value])

    def conv(
        self, value: str, inputs: int, outputs: int, stride: int = 1, *, kernel: int = 3, gain: float = 1.0
    ) -> str:
        weight = self.weight((outputs, inputs, kernel, kernel), inputs * kernel**2, gain)
        bias = self.weight((outputs,), 100 * outputs)
        return self.node("Conv", [value, weight, bias], strides=[stride] * 2, pads=[kernel // 2] * 4)

    def weight(self, shape: tuple[int, ...], fan_in: int, gain: float = 1.0) -> str:
        array = gain * (2 / fan_in) ** 0.5 * self._random.standard_normal(shape)
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name


def _tell(page: Page, results: list[Result]) -> float:
    """Write the tables; the share of the variance that a straight line explains."""
    page.say("Processor seconds, one thread. A pass is one run of both networks over all pictures.")
    header = ("network", "convs replaced", "fit, s", "s a conv", "pass, s", "fit, passes", "wall, s")
    page.table(
        header,
        [
            (
                f"ResNet-{r.depth}",
                r.layers,
                f"{r.fit:.1f}",
                f"{r.fit / r.layers:.3f}",
                f"{r.forward:.2f}",
                f"{r.fit / r.forward:.1f}",
                f"{r.wall:.1f}",
            )
            for r in results
        ],
    )
    page.say("## What a fit consists of, in passes")
    header = ("network", "running the walks", "cutting and opening", "model's error by layer", "gathering and solving")
    page.table(
        header,
        [
            (
                f"ResNet-{r.depth}",
                *(f"{part / r.forward:.2f}" for part in (r.walking, r.cutting, r.drifting, r.solving)),
            )
            for r in results
        ],
    )
    slope, start, straight = _line([r.layers for r in results], [r.fit for r in results])
    page.raw["line"] = {"slope": slope, "start": start, "r2": straight}
    page.say(
        f"Straight line through the fits: {start:.1f} s + {slope:.3f} s a convolution, R^2 = {straight:.4f}. Gathering "
        "looks at positions drawn at random, some 40 for each unknown of a layer whatever the number of pictures, so "
        "its part grows with the widths of the layers and hardly with the data; the other parts grow with the data."
    )
    return straight


def _line(x: list[int], y: list[float]) -> tuple[float, float, float]:
    """Slope, value at 0 and R^2 of the line through the points with the least squared error."""
    slope, start = np.polyfit(x, y, 1)
    rest = float(np.square(np.asarray(y) - slope * np.asarray(x) - start).sum())
    return float(slope), float(start), 1 - rest / float(np.square(np.asarray(y) - np.mean(y)).sum())


if __name__ == "__main__":
    sys.exit(main())

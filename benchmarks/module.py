"""Claim: the torch module computes what ONNX Runtime does, within 1e-4 relative, and its gradients are the network's.

Each model runs in both, on random inputs and on real ones where there are any. For networks that torch exported here,
the gradient by the input is compared with that of the network itself. Then the time of a training step.

    OMP_NUM_THREADS=1 python benchmarks/module.py [--models DIR] [--data DIR] [--steps N]

Leaves with 1 where a difference is larger. About five minutes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import networks
import numpy as np
import torch
from modules import subjects
from modules.subjects import Feeds, Subject
from torch import Tensor, nn
from writing import Page, parser

import convprof
from convprof.runtime import open_session

_LIMIT = 1e-4
_BATCH = 32


@dataclass(frozen=True)
class Row:
    """What one model came to; differences are relative to the largest value."""

    name: str
    source: str
    opset: int
    nodes: int
    operators: dict[str, int]
    weights: int
    inputs: str
    difference: float
    gradient: float | None


def main() -> int:
    """Compare all, and write the page."""
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=12, metavar="N", help="timed steps of each kind (12)")
    given = options.parse_args()
    page = Page("module", "The torch module against ONNX Runtime", _CLAIM, _COMMAND)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [compared(subject) for subject in _all(given.models, given.data, folder)]
        _show(page, rows)
        _show_steps(page, folder, given.models, given.steps)
    page.raw["models"] = [asdict(row) for row in rows]
    page.write(given.output, ("torch", "onnx", "onnxruntime", "onnxscript", "onnx-ir", "numpy"))
    return int(any(max(row.difference, row.gradient or 0) > _LIMIT for row in rows))


_CLAIM = (
    f"Over all models at hand the largest difference stays below {_LIMIT:g} of the largest output, "
    "and so does that of gradients."
)
_COMMAND = "OMP_NUM_THREADS=1 python benchmarks/module.py --models MODELS --data DATA"


def _all(models: Path | None, data: Path | None, folder: Path) -> Iterable[Subject]:
    yield from subjects.stored(models, data)
    yield from subjects.light(folder)
    yield from subjects.exported(folder)


def compared(subject: Subject) -> Row:
    """Run the model in both."""
    module = convprof.torch.load(subject.path).eval()
    network = module.network
    session = open_session(str(subject.path) if subject.path.stat().st_size > 1 << 28 else subject.path.read_bytes())
    difference = max(_difference(module, session.run(feeds), feeds) for feeds in subject.feeds)
    gradient = None if subject.twin is None else _gradient(module, subject.twin, subject.feeds[0])
    operators = Counter(step.op_type for step in network.steps)
    return Row(
        subject.name,
        subject.source,
        network.versions[""],
        len(network.steps),
        dict(operators.most_common()),
        len(module.names),
        subject.inputs,
        difference,
        gradient,
    )


def _difference(module: convprof.torch.Module, wanted: Feeds, feeds: Feeds) -> float:
    with torch.no_grad():
        found = module.run({name: torch.from_numpy(feed) for name, feed in feeds.items()}, module.network.outputs)
    return max(_relative(found[name].numpy(), wanted[name]) for name in found)


def _gradient(module: nn.Module, twin: nn.Module, feeds: Feeds) -> float:
    """How far the gradient by the input is from the exported network's own, for one direction of the output."""
    gradients = []
    for network in (module, twin):
        x = torch.from_numpy(feeds["x"]).requires_grad_()
        y: Tensor = network(x)
        direction = torch.from_numpy(np.random.default_rng(5).standard_normal(tuple(y.shape)).astype(np.float32))
        (y * direction).sum().backward()
        assert x.grad is not None
        gradients.append(x.grad.numpy())
    return _relative(*gradients)


def _relative(found: np.ndarray, wanted: np.ndarray) -> float:
    scale = max(float(np.abs(wanted).max()), np.finfo(np.float32).tiny)
    return float(np.abs(found.astype(np.float64) - wanted).max()) / scale


def _show(page: Page, rows: list[Row]) -> None:
    page.say(
        "Differences are relative to the largest value of the output. Nodes are those of the graph without Constant "
        "nodes; weights are the tensors that train or follow the data. The weights of the zoo networks, which are all "
        "one number in the onnx package, are drawn. `script` and `dynamo` are torch's two exporters; there the "
        "gradient by the input is compared with that of the network that was exported."
    )
    header = ("model", "from", "opset", "nodes", "operators", "weights", "inputs", "difference", "of the gradient")
    page.table(
        header,
        (
            (
                row.name, row.source, row.opset, row.nodes, len(row.operators), row.weights, row.inputs,
                f"{row.difference:.1e}", "" if row.gradient is None else f"{row.gradient:.1e}",
            )
            for row in rows
        ),
    )  # fmt: skip
    worst = max(max(row.difference, row.gradient or 0) for row in rows)
    operators = sorted({operator for row in rows for operator in row.operators})
    page.say(f"{len(rows)} models, largest difference {worst:.1e}. Operators in them: {', '.join(operators)}.")


def _show_steps(page: Page, folder: Path, models: Path | None, count: int) -> None:
    """The time of a training step, each kind in turn."""
    kinds = _steps(folder, models)
    first = {name: _timed(step) for name, step in kinds.items()}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(count):
        for name, step in kinds.items():
            times[name].append(_timed(step))
    page.say("## A training step")
    page.say(
        f"Forward, backward and SGD on a batch of {_BATCH} unless another is said, one thread, {count} steps of each "
        "kind in turns, median. `twin` is the network in torch's own layers; the module is its export, loaded. The "
        "first step includes making the program, and compiling."
    )
    rows = [(name, f"{statistics.median(each) * 1e3:.0f}", f"{first[name]:.1f}") for name, each in times.items()]
    page.table(("step", "ms", "first step, s"), rows)
    page.raw["steps"] = {"seconds": times, "first": first}


def _steps(folder: Path, models: Path | None) -> dict[str, Callable[[], None]]:
    twin = networks.build("ResNet-18")
    networks.export(twin, 64, folder / "resnet18.onnx")
    x = torch.randn(1, 3, 64, 64)
    kinds = {
        "ResNet-18 at 64x64, batch 1: twin": _step(twin.train(), x),
        "ResNet-18 at 64x64, batch 1: module": _step(convprof.torch.load(folder / "resnet18.onnx"), x),
    }
    if models is None:
        return kinds
    path, x = models / "resnet20_cifar10.onnx", torch.randn(_BATCH, 3, 32, 32)
    last = convprof.torch.load(path).to(memory_format=torch.channels_last)
    compiled = convprof.torch.load(path).to(memory_format=torch.channels_last)
    return kinds | {
        "resnet20_cifar10: module": _step(convprof.torch.load(path), x),
        "resnet20_cifar10: channels last": _step(last, x.to(memory_format=torch.channels_last)),
        "resnet20_cifar10: compiled": _step(convprof.torch.load(path), x, compiled=True),
        "resnet20_cifar10: compiled, channels last": _step(
            compiled, x.to(memory_format=torch.channels_last), compiled=True
        ),
        "resnet20_cifar10: bfloat16": _step(convprof.torch.load(path), x, mixed=True),
    }


def _step(network: nn.Module, x: Tensor, *, compiled: bool = False, mixed: bool = False) -> Callable[[], None]:
    optimizer = torch.optim.SGD(network.parameters(), 1e-4)
    run = torch.compile(network) if compiled else network

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = run(x).float().square().mean()
        loss.backward()
        optimizer.step()

    return step


def _timed(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sys.exit(main())

"""The models that the torch module is held against ONNX Runtime on, each as a file with inputs."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from modules import nets
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn

Feeds = Mapping[str, NDArray[Any]]
_LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
_SAMPLES = Path(__file__).resolve().parents[2] / "sample_models"
_SPATIAL = 40
_MEAN, _STD = (125.3, 123.0, 113.9), (62.99, 62.09, 66.70)


@dataclass(frozen=True)
class Subject:
    """A model, where it comes from, its inputs, and the network that was exported if that is at hand."""

    name: str
    source: str
    path: Path
    feeds: tuple[Feeds, ...]
    inputs: str
    twin: nn.Module | None = None


def stored(models: Path | None, data: Path | None) -> Iterator[Subject]:
    """The trained networks in `models` and the samples: random inputs, and real ones where there are any."""
    folders = [] if models is None else [(models, "trained")]
    for folder, source in (*folders, (_SAMPLES, "sample")):
        for path in sorted(folder.glob("*.onnx")):
            real = _real(path.stem, data)
            drawn = tuple(_drawn(onnx.load(path, load_external_data=False), seed) for seed in (0, 1))
            yield Subject(path.stem, source, path, (*drawn, *real), "random, real" if real else "random")


def light(folder: Path) -> Iterator[Subject]:
    """The zoo networks of the onnx package: their weights are all one number there, here they are drawn."""
    for path in sorted(_LIGHT.glob("*.onnx")):
        model = _with_drawn_weights(onnx.load(path))
        target = folder / path.name
        target.write_bytes(model.SerializeToString())
        yield Subject(path.stem.removeprefix("light_"), "zoo", target, (_drawn(model, 0),), "random")
        target.unlink()


def exported(folder: Path) -> Iterator[Subject]:
    """The networks of `nets`, by both exporters of torch; the batch and, for the newer one, nothing else is free."""
    for name, kind in nets.KINDS.items():
        for dynamo in (False, True):
            network = nets.build(name)
            path = folder / f"{len(list(folder.iterdir()))}.onnx"
            _export(network, kind.shape, path, dynamo)
            shapes = (kind.shape, (3, *kind.shape[1:]))
            feeds = tuple({"x": _normal(shape, seed)} for seed, shape in enumerate(shapes))
            yield Subject(name, "dynamo" if dynamo else "script", path, feeds, "random", network)


def _export(network: nn.Module, shape: tuple[int, ...], path: Path, dynamo: bool) -> None:
    x = torch.zeros(shape)
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        names: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"], "dynamo": dynamo}
        if dynamo:
            batch = torch.export.Dim("batch", min=2, max=1024)
            torch.onnx.export(network, (x,), str(path), dynamic_shapes=({0: batch},), external_data=False, **names)
        else:
            torch.onnx.export(network, (x,), str(path), dynamic_axes={"x": {0: "N"}}, opset_version=17, **names)
    logging.disable(logging.NOTSET)


def _drawn(model: onnx.ModelProto, seed: int) -> Feeds:
    stored_names = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name not in stored_names:
            sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
            shape = tuple(size or (2 + seed if axis == 0 else _SPATIAL) for axis, size in enumerate(sizes))
            feeds[value.name] = _normal(shape, seed)
    return feeds


def _normal(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _real(name: str, data: Path | None) -> tuple[Feeds, ...]:
    """64 samples of the data that the network was trained for; nothing where they are not at hand."""
    if name in ("digits_vgg", "denoiser"):
        arrays = np.load(_SAMPLES / f"{name.partition('_')[0]}_test.npz")["x"][:64]
        return ({"x": arrays.astype(np.float32).transpose(0, 3, 1, 2) / 255},)
    if data is not None and name.endswith("cifar10"):
        pictures = np.load(data / "cifar10_test.npz")["x"][:64].astype(np.float32)
        return ({"x": ((pictures - _MEAN) / _STD).astype(np.float32).transpose(0, 3, 1, 2)},)
    return ()


def _with_drawn_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a drawn initialiser for every ConstantOfShape: He's scale, scales and variances around one."""
    random = np.random.default_rng(0)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in constants:
            nodes.append(node)
            continue
        shape = tuple(constants[node.input[0]].tolist())
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 0
        values = random.normal(0, (2 / fan) ** 0.5, shape) if fan else random.uniform(0.5, 1.5, shape)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), node.output[0]))
    # A Softmax hides what goes into it: that is an output too.
    hidden = (node.input[0] for node in nodes[-1:] if node.op_type == "Softmax")
    outputs = [*model.graph.output, *(helper.make_tensor_value_info(name, 1, None) for name in hidden)]
    made = helper.make_model(
        helper.make_graph(nodes, model.graph.name, model.graph.input, outputs, model.graph.initializer),
        opset_imports=model.opset_import,
    )
    made.ir_version = max(model.ir_version, 4)
    return made

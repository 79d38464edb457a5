"""Small models for the tests of the torch module, from text and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from convprof.runtime import open_session
from convprof.torch import Module, load

Array = NDArray[Any]


def noise(*shape: int, seed: int = 0, dtype: str = "float32") -> Array:
    """Gaussian values of that shape."""
    return (np.random.default_rng(seed).standard_normal(shape) / 3).astype(dtype)


def write(
    folder: Path,
    body: str,
    weights: Mapping[str, Array] | None = None,
    *,
    inputs: str = "float[N, 3, 8, 8] x",
    outputs: str = "float[a, b, c, d] y",
    opset: int = 17,
) -> Path:
    """A model file of a graph in ONNX's textual syntax, with initialisers."""
    text = f'<ir_version: 8, opset_import: ["": {opset}]>\ng ({inputs}) => ({outputs}) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in (weights or {}).items())
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


NORMALISED = {
    "body.0.weight": noise(4, 3, 3, 3),
    "body.0.bias": noise(4, seed=1),
    "body.1.weight": 1 + noise(4, seed=2),
    "body.1.bias": noise(4, seed=3),
    "body.1.running_mean": noise(4, seed=4),
    "body.1.running_var": 1 + noise(4, seed=5) ** 2,
    "head.weight": noise(5, 4, seed=6),
    "head.bias": noise(5, seed=7),
}


def normalised(folder: Path, momentum: float = 0.75) -> Path:
    """A conv, its normalisation, a pool and a matrix, under the names that torch gave them."""
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 17]> g (float[N, 3, 8, 8] x) => (float[N, 5] y) {{
            t = Conv <pads = [1, 1, 1, 1]> (x, w, b)  n = BatchNormalization <momentum = {momentum}> (t, s, c, m, v)
            r = Relu(n)  p = GlobalAveragePool(r)  f = Flatten(p)  y = Gemm <transB = 1> (f, hw, hb) }}"""
    )
    for short, name in zip(("w", "b", "s", "c", "m", "v", "hw", "hb"), NORMALISED, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(NORMALISED[name], name))
        for node in model.graph.node:
            node.input[:] = [name if each == short else each for each in node.input]
    path = folder / "normalised.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def initializers(path: Path) -> dict[str, bytes]:
    """The bytes of every initialiser."""
    graph = onnx.load(path).graph
    return {tensor.name: numpy_helper.to_array(tensor).tobytes() for tensor in graph.initializer}


def outputs_of(module: Module, *inputs: Array) -> tuple[Array, ...]:
    """What the module computes in evaluation mode."""
    with torch.no_grad():
        made = module.eval()(*(torch.from_numpy(each) for each in inputs))
    return tuple(each.numpy() for each in (made if isinstance(made, tuple) else (made,)))


def assert_like_the_runtime(path: Path, *inputs: Array) -> None:
    """The module computes what ONNX Runtime does."""
    module = load(path)
    names = [port.name for port in module.network.inputs]
    wanted = open_session(path.read_bytes()).run(dict(zip(names, inputs, strict=True)))
    for found, name in zip(outputs_of(module, *inputs), module.network.outputs, strict=True):
        np.testing.assert_allclose(found, wanted[name], rtol=1e-4, atol=1e-5 * float(np.abs(wanted[name]).max()))

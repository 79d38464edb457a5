"""Builds small ONNX models from text and arrays, stores and opens them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from convprof.execution import load, settle
from convprof.graph import ConvNode, Model, find_convs
from convprof.runtime import open_session

Array = NDArray[Any]


def build(text: str, weights: Mapping[str, Array] | None = None, *, opset: int = 17, ir: int = 8) -> onnx.ModelProto:
    """The model of a graph in ONNX's textual syntax, with initialisers; functions may follow the graph."""
    domains = "".join(f', "{name}": 1' for name in ("com.microsoft", "local") if f"{name}." in text or name in text)
    model = onnx.parser.parse_model(f'<ir_version: {ir}, opset_import: ["": {opset}{domains}]>\n{text}')
    for name, array in (weights or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
        if ir < 4:
            kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            model.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, array.shape))
    return model


def noise(*shape: int, seed: int = 0, dtype: str = "float32") -> Array:
    """Gaussian values of that shape."""
    return (np.random.default_rng(seed).standard_normal(shape) / 3).astype(dtype)


def store(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Write the model into `folder`."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def opened(
    model: onnx.ModelProto | Path,
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    dims: Mapping[str, int] | None = None,
    fallback: Mapping[str, tuple[int, ...]] | None = None,
) -> Model:
    """The model as the stages hold it."""
    path = model if isinstance(model, Path) else store(model, folder)
    return settle(load(path), shapes or {}, dims or {}, fallback or {})


def convs(model: Model) -> dict[str, ConvNode]:
    """The convs of the model by name."""
    return {conv.name: conv for conv in find_convs(model)}


def run(model: onnx.ModelProto | bytes | Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What ONNX Runtime computes; what ONNX's reference computes in double precision, which the runtime has not."""
    if any(array.dtype == np.float64 for array in feeds.values()):
        proto = onnx.load(model) if isinstance(model, Path) else model
        reference = ReferenceEvaluator(proto)
        values = reference.run(None, dict(feeds))
        return dict(zip(reference.output_names, (np.asarray(value) for value in values), strict=True))
    return open_session(model.SerializeToString() if isinstance(model, onnx.ModelProto) else model).run(feeds)


def tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor of a message, at any depth."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for child in [value] if isinstance(value, Message) else value:
            yield from tensors(child)

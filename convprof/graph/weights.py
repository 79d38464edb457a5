"""Finds constants however the exporter stored them: initialisers, Constant nodes, and what folds from those."""

from __future__ import annotations

import hashlib
from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from convprof.errors import ModelError
from convprof.graph.model import Model

# Operators through which a weight may reach its conv; each is cheap and grows no larger than its inferred shape.
_FOLDABLE_NAMES = """
Add Cast Concat ConstantOfShape DequantizeLinear Div Expand Flatten Identity Mul Neg Pow Reciprocal ReduceL2
ReduceSum Reshape Slice Sqrt Squeeze Sub Transpose Unsqueeze
"""
_FOLDABLE = frozenset(_FOLDABLE_NAMES.split())
_LIMIT = 1 << 28
# Longer chains of nodes in front of a weight are taken for computed, not stored.
_LONGEST = 256


def is_constant(value: ir.Value | None) -> bool:
    """Whether `value` is the same for every input of the model."""
    if value is None:
        return False
    ahead, seen = [value], {value}
    while ahead:
        current = ahead.pop()
        node = current.producer()
        if current.is_initializer() or (node is not None and node.op_type == "Constant" and node.domain == ""):
            continue
        if node is None or node.domain != "" or node.op_type not in _FOLDABLE or len(seen) > _LONGEST:
            return False
        fresh = [source for source in node.inputs if source is not None and source not in seen]
        seen.update(fresh)
        ahead.extend(fresh)
    return True


def weights_digest(model: Model) -> str:
    """sha256 (hex) over all initialisers, those in files of external data included.

    Raises ModelError where one cannot be read.
    """
    digest = hashlib.sha256()
    for graph in model.program.graphs():
        for name, value in graph.initializers.items():
            tensor = value.const_value
            digest.update(repr((name, None if tensor is None else (tensor.dtype.name, tensor.shape.dims))).encode())
            if tensor is not None and tensor.dtype != ir.DataType.STRING:
                digest.update(_bytes(tensor, model))
    return digest.hexdigest()


def constant(value: ir.Value | None, model: Model) -> NDArray[np.generic] | None:
    """The constant behind `value`, folded where need be; None where it varies or would not fit in memory.

    Raises ModelError where it cannot be read.
    """
    if value is None or not is_constant(value) or prod(model.shapes.get(str(value.name), ())) > _LIMIT:
        return None
    try:
        return _fold(value, model, {})
    except Exception as error:  # damaged data and odd nodes make readers raise nearly anything
        raise _unreadable(value.name, model, error) from error


def read_tensor(tensor: ir.TensorProtocol, model: Model) -> NDArray[np.generic]:
    """The values of a stored tensor; raises ModelError where they cannot be read."""
    try:
        return np.asarray(tensor.numpy())
    except Exception as error:  # as above
        raise _unreadable(tensor.name, model, error) from error


def _bytes(tensor: ir.TensorProtocol, model: Model) -> bytes:
    try:
        return tensor.tobytes()
    except Exception as error:  # as above
        raise _unreadable(tensor.name, model, error) from error


def _unreadable(name: str | None, model: Model, error: Exception) -> ModelError:
    why = (str(error) or type(error).__name__).splitlines()[0]
    return ModelError(f"{model.file.path}: constant {name!r}", why, "check the model and its external data")


def _fold(
    value: ir.Value, model: Model, known: dict[ir.Value, NDArray[np.generic] | None]
) -> NDArray[np.generic] | None:
    if value not in known:
        known[value] = _folded(value, model, known)
    return known[value]


def _folded(
    value: ir.Value, model: Model, known: dict[ir.Value, NDArray[np.generic] | None]
) -> NDArray[np.generic] | None:
    stored = ir.convenience.get_const_tensor(value)
    if stored is not None:
        return stored.numpy()
    node, shape = value.producer(), model.shapes.get(str(value.name))
    if node is None or shape is None or prod(shape) > _LIMIT:
        return None
    sources = [None if source is None else _fold(source, model, known) for source in node.inputs]
    if any(array is None and source is not None for array, source in zip(sources, node.inputs, strict=True)):
        return None
    proto = ir.serde.serialize_node(node)
    version = model.program.opset_imports.get("", 17)
    feeds = {name: array for name, array in zip(proto.input, sources, strict=True) if name}
    with np.errstate(all="ignore"):
        result = ReferenceEvaluator(proto, opsets={"": version}).run(None, feeds)
    return np.asarray(result[0]) if isinstance(result, list) else None

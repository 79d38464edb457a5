"""Finds constants however the exporter stored them: initialisers, Constant nodes, and what folds from those."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from convprof.graph.model import Shapes

# Operators through which a weight may reach its conv; each is cheap and grows no larger than its inferred shape.
_FOLDABLE_NAMES = """
Add Cast Concat ConstantOfShape DequantizeLinear Div Expand Flatten Identity Mul Neg Pow Reciprocal ReduceL2
ReduceSum Reshape Slice Sqrt Squeeze Sub Transpose Unsqueeze
"""
_FOLDABLE = frozenset(_FOLDABLE_NAMES.split())
_LIMIT = 1 << 28
_DEPTH = 32


def is_constant(value: ir.Value | None, depth: int = 0) -> bool:
    """Whether `value` is the same for every input of the model."""
    if value is None or depth > _DEPTH:
        return False
    if value.is_initializer():
        return True
    node = value.producer()
    if node is None or node.domain != "":
        return False
    if node.op_type == "Constant":
        return True
    return node.op_type in _FOLDABLE and all(
        is_constant(source, depth + 1) for source in node.inputs if source is not None
    )


def constant(value: ir.Value | None, shapes: Shapes) -> NDArray[np.generic] | None:
    """The constant behind `value`, folded where need be; None where it varies or would not fit in memory."""
    if value is None or not is_constant(value):
        return None
    if prod(shapes.get(str(value.name), ())) > _LIMIT:
        return None
    return _fold(value, shapes)


def _fold(value: ir.Value, shapes: Shapes) -> NDArray[np.generic] | None:
    if value.const_value is not None:
        return value.const_value.numpy()
    node = value.producer()
    if node is None:
        return None
    if node.op_type == "Constant":
        tensor = ir.convenience.get_const_tensor(value)
        return None if tensor is None else tensor.numpy()
    shape = shapes.get(str(value.name))
    if shape is None or prod(shape) > _LIMIT:
        return None
    sources = [None if source is None else _fold(source, shapes) for source in node.inputs]
    if any(array is None and source is not None for array, source in zip(sources, node.inputs, strict=True)):
        return None
    proto = ir.serde.serialize_node(node)
    version = value.graph.opset_imports.get("", 17) if value.graph is not None else 17
    feeds = {name: array for name, array in zip(proto.input, sources, strict=True) if name}
    result = ReferenceEvaluator(proto, opsets={"": version}).run(None, feeds)
    return np.asarray(result[0]) if isinstance(result, list) else None

"""Puts other numbers into the constants of a graph: same names, shapes and types, everything else as it was.

A graph can also be kept without the numbers of some constants, as bytes (`hollow`), and filled later (`filled`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from convprof.errors import ModelError
from convprof.graph.describing import constant_of

_NOWHERE = "convprof:kept-elsewhere"
_REMEDY = "save into the graph that the weights were loaded from"


def with_weights(program: ir.Model, values: Mapping[str, NDArray[Any]], what: str) -> ir.Model:
    """A clone of the program with `values` in the initialisers and Constant nodes of the main graph of those names.

    A constant that several nodes read stays one. Values are cast to the constant's type. Raises ModelError for a name
    that is no constant of the graph, and for a shape that is not the constant's.
    """

    def filled_with(name: str, tensor: ir.TensorProtocol) -> ir.TensorProtocol:
        value, shape = values[name], tuple(tensor.shape.numpy())
        if value.shape != shape:
            why = f"{list(value.shape)} does not fit the constant's shape {list(shape)}"
            raise ModelError(f"{what}: {name!r}", why, _REMEDY)
        array = np.ascontiguousarray(value.astype(tensor.dtype.numpy()))
        return ir.Tensor(array.reshape(shape), dtype=tensor.dtype, name=tensor.name)

    return _exchanged(program, values, filled_with, what)


def hollow(program: ir.Model, names: Collection[str], what: str) -> bytes:
    """The program as bytes, all constants inside but those called `names`.

    Raises ModelError where one of them cannot be read or is none of the graph.
    """

    def emptied(name: str, tensor: ir.TensorProtocol) -> ir.TensorProtocol:
        shape = ir.Shape(tensor.shape.numpy())
        return ir.ExternalTensor(_NOWHERE, 0, tensor.nbytes, tensor.dtype, shape=shape, name=tensor.name or name)

    clone = _exchanged(program, names, emptied, what)
    for graph in clone.graphs():
        for value in graph.initializers.values():
            value.const_value = _inside(value.const_value, what)
    return bytes(ir.serde.serialize_model(clone).SerializeToString())


def _inside(tensor: ir.TensorProtocol | None, what: str) -> ir.TensorProtocol | None:
    """The tensor with its data inside, unless they are kept elsewhere; raises ModelError where they cannot be read."""
    if not isinstance(tensor, ir.ExternalTensor) or tensor.location == _NOWHERE:
        return tensor
    try:
        return ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=tensor.name)
    except (OSError, ValueError) as error:
        raise ModelError(f"{what}: constant {tensor.name!r}", str(error), "check the external data") from error


def filled(blueprint: bytes, values: Mapping[str, NDArray[Any]], what: str) -> ir.Model:
    """The program of `hollow` with values for all that was left out; raises ModelError where they do not fit."""
    program = ir.serde.deserialize_model(onnx.ModelProto.FromString(blueprint))
    return with_weights(program, values, what)


def _exchanged(
    program: ir.Model,
    names: Collection[str],
    exchange: Callable[[str, ir.TensorProtocol], ir.TensorProtocol],
    what: str,
) -> ir.Model:
    """A clone in which the constants called `names` are what `exchange` makes of them."""
    clone, left = program.clone(), set(names)
    for name, value in clone.graph.initializers.items():
        if name in left and value.const_value is not None:
            value.const_value = exchange(name, value.const_value)
            left.discard(name)
    for node in clone.graph:
        name = str(node.outputs[0].name) if node.outputs else ""
        tensor = constant_of(node) if name in left and "value" in node.attributes else None
        if tensor is not None:
            node.attributes["value"] = ir.AttrTensor("value", exchange(name, tensor))
            left.discard(name)
    if left:
        raise ModelError(what, f"it has no constant called {min(left)!r}", _REMEDY)
    return clone

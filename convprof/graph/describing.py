"""Model -> Network: the graph as plain data, with everything in it that a node can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import InlinePass

from convprof.errors import ModelError
from convprof.graph.model import true_inputs
from convprof.graph.shapes import declared_inputs
from convprof.records.network import Network, Port, Step

_NUMBERS_AND_TEXTS: Mapping[ir.AttributeType, Callable[[ir.Attr], object]] = {
    ir.AttributeType.INT: ir.Attr.as_int,
    ir.AttributeType.FLOAT: ir.Attr.as_float,
    ir.AttributeType.STRING: ir.Attr.as_string,
    ir.AttributeType.INTS: lambda attribute: tuple(attribute.as_ints()),
    ir.AttributeType.FLOATS: lambda attribute: tuple(attribute.as_floats()),
    ir.AttributeType.STRINGS: lambda attribute: tuple(attribute.as_strings()),
}


def describe(program: ir.Model, what: str) -> Network:
    """The main graph of the program as plain data; `what` names it in errors.

    Raises ModelError where a constant cannot be read or a function of the model cannot be written out.
    """
    stored = frozenset(_writable(program.graph))
    if program.functions:
        try:
            program = InlinePass()(program.clone()).model
        except Exception as error:  # what a library raises for functions that nobody checked is not foreseeable
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(what, f"its functions cannot be written out: {why}", "export the model again") from error
        program.graph.sort()
    versions = {**program.graph.opset_imports, **program.opset_imports}
    ports = tuple(Port(spec.name, spec.dtype, spec.shape) for spec in declared_inputs(program))
    return _network(program.graph, what, ports, stored, versions)


def _network(
    graph: ir.Graph, what: str, inputs: tuple[Port, ...], stored: frozenset[str], versions: dict[str, int]
) -> Network:
    constants: dict[str, NDArray[Any]] = {}
    for name, value in graph.initializers.items():
        if value.const_value is not None and value.const_value.dtype != ir.DataType.STRING:
            constants[name] = _array(value.const_value, what)
    steps = []
    for node in graph:
        tensor = constant_of(node)
        if tensor is None:
            steps.append(_step(node, what, versions))
        elif tensor.dtype != ir.DataType.STRING:
            constants[_name(node.outputs[0])] = _array(tensor, what)
    outputs = tuple(_name(value) for value in graph.outputs)
    return Network(what, inputs, outputs, tuple(steps), constants, stored, versions)


def constant_of(node: ir.Node) -> ir.TensorProtocol | None:
    """The tensor of a Constant node; None for other nodes and for what is no plain tensor."""
    if node.op_type != "Constant" or node.domain != "" or len(node.outputs) != 1:
        return None
    return ir.convenience.get_const_tensor(node.outputs[0])


def _writable(graph: ir.Graph) -> Iterator[str]:
    """Names of the constants of the main graph whose values can be exchanged."""
    yield from graph.initializers
    for node in graph:
        if "value" in node.attributes and constant_of(node) is not None:
            yield _name(node.outputs[0])


def _step(node: ir.Node, what: str, versions: dict[str, int]) -> Step:
    return Step(
        node.op_type,
        "" if node.domain == "ai.onnx" else node.domain,
        tuple(_name(value) for value in node.inputs),
        tuple(_name(value) for value in node.outputs),
        {attribute.name: _plain(attribute, what, versions) for attribute in node.attributes.values()},
        node.name or _name(node.outputs[0] if node.outputs else None),
    )


def _plain(attribute: ir.Attr, what: str, versions: dict[str, int]) -> object:
    """The attribute as a number, text, tuple, array or Network; None for types that no operator of a network has."""
    if attribute.is_ref():
        raise ModelError(what, f"attribute {attribute.name!r} refers to a function's", "export the model again")
    reader = _NUMBERS_AND_TEXTS.get(attribute.type)
    if reader is not None:
        return reader(attribute)
    if attribute.type == ir.AttributeType.TENSOR:
        return _array(attribute.as_tensor(), what)
    if attribute.type == ir.AttributeType.GRAPH:
        graph = attribute.as_graph()
        ports = tuple(Port(_name(value), "", None) for value in true_inputs(graph))
        return _network(graph, what, ports, frozenset(), versions)
    return None


def _array(tensor: ir.TensorProtocol, what: str) -> NDArray[Any]:
    try:
        return tensor.numpy()
    except Exception as error:  # damaged data make readers raise nearly anything
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = "check the model and its external data"
        raise ModelError(f"{what}: constant {tensor.name!r}", why, remedy) from error


def _name(value: ir.Value | None) -> str:
    return "" if value is None or value.name is None else value.name

"""What the rest of this room takes for granted of a program: refused here where it does not hold.

Names are text, every value that is read is made somewhere, nodes can be put in an order in which they run, and the
attributes of ONNX's own operators have the types that ONNX gives them. The rest is left to the runtime.
"""

from __future__ import annotations

from functools import cache

import onnx
import onnx_ir as ir

from convprof.graph.model import nodes_with_scope


def validate(program: ir.Model) -> None:
    """Raise ValueError for what is no program; put its nodes in order."""
    version = program.opset_imports.get("", onnx.defs.onnx_opset_version())
    for _, node in nodes_with_scope(program):
        texts = (node.op_type, node.domain, node.name or "", *(value.name or "" for value in node.outputs))
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a name is not UTF-8")
        if node.domain == "":
            _check_attributes(node, version)
    for graph in program.graphs():
        _check_sources(graph)
        for value in (*graph.inputs, *graph.initializers.values()):
            if value.dtype == ir.DataType.UNDEFINED:
                raise ValueError(f"{value.name!r} has no type")
    program.graph.sort()


def _check_attributes(node: ir.Node, version: int) -> None:
    types = _attribute_types(node.op_type, version)
    for attribute in node.attributes.values():
        wanted = types.get(attribute.name)
        if wanted is not None and wanted != getattr(onnx.defs.OpSchema.AttrType, attribute.type.name, None):
            raise ValueError(f"attribute {attribute.name!r} of {_shown(node)} is {attribute.type.name}")


@cache
def _attribute_types(op_type: str, version: int) -> dict[str, onnx.defs.OpSchema.AttrType]:
    """The type of each attribute; nothing for an operator that ONNX does not know."""
    if not onnx.defs.has(op_type, version):
        return {}
    schema = onnx.defs.get_schema(op_type, version)
    return {name: attribute.type for name, attribute in schema.attributes.items()}


def _check_sources(graph: ir.Graph) -> None:
    read = [(value, f"{_shown(node)} reads") for node in graph for value in node.inputs]
    for value, reader in (*read, *((value, "the graph puts out") for value in graph.outputs)):
        if value is None or value.producer() is not None:
            continue
        if not (value.is_graph_input() or value.is_initializer()):
            raise ValueError(f"{reader} {value.name!r}, which nothing makes")


def _shown(node: ir.Node) -> str:
    return f"{node.op_type} {node.name!r}"

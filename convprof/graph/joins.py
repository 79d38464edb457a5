"""Where a conv's output is added to another path of the network, as at the end of a residual block."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import onnx_ir as ir

from convprof.graph.convs import ConvNode
from convprof.graph.segments import sources
from convprof.graph.weights import is_constant


@dataclass(frozen=True)
class Join:
    """The Add that alone reads a conv's output: the name of its other operand and of the sum."""

    other: str
    total: str


def joining_add(conv: ConvNode, pending: Collection[ConvNode]) -> Join | None:
    """The join behind `conv` whose other operand depends on none of the `pending` convs, if there is one.

    Both operands must have the same shape: a broadcast Add is no join of two paths.
    """
    output = conv.node.outputs[0]
    uses = list(output.uses())
    if len(uses) != 1 or output.is_graph_output():
        return None
    add = uses[0].node
    if add.op_type != "Add" or add.domain != "" or add.graph is not conv.node.graph:
        return None
    other = add.inputs[1 - uses[0].idx]
    shapes = conv.model.shapes
    if other is None or is_constant(other) or shapes.get(str(other.name)) != conv.output_shape:
        return None
    if _ancestors(other) & {each.node for each in pending}:
        return None
    return Join(str(other.name), str(add.outputs[0].name))


def _ancestors(value: ir.Value) -> set[ir.Node]:
    """Every node that the value depends on."""
    found: set[ir.Node] = set()
    stack = [value]
    while stack:
        node = stack.pop().producer()
        if node is not None and node not in found:
            found.add(node)
            stack.extend(sources(node))
    return found

"""What a conv's response goes into: itself, or the sum with another path as at the end of a residual block."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import onnx_ir as ir

from convprof.graph.activations import activated
from convprof.graph.convs import ConvNode
from convprof.graph.segments import sources
from convprof.graph.weights import is_constant


@dataclass(frozen=True)
class Target:
    """The value called `total` is the conv's response, plus the value called `other` where that is not None.

    `activated` is the value behind the activation that all readers of the total stand behind, None where there is none.
    """

    total: str
    other: str | None
    activated: str | None


def target_of(conv: ConvNode, pending: Collection[ConvNode], known: Collection[str] = ()) -> Target:
    """The sum that `conv` alone feeds and whose other operand depends on none of the `pending` convs, else its output.

    Both operands of the sum must have the same shape: a broadcast Add is no join of two paths. Values named in `known`
    are taken to depend on no pending conv: what lies before them is not looked at.
    """
    output = conv.node.outputs[0]
    joined = _joined(conv, pending, known)
    if joined is None:
        return Target(conv.output_name, None, _name(activated(output, conv.model)))
    total, other = joined
    return Target(str(total.name), str(other.name), _name(activated(total, conv.model)))


def _name(value: ir.Value | None) -> str | None:
    return None if value is None else str(value.name)


def _joined(conv: ConvNode, pending: Collection[ConvNode], known: Collection[str]) -> tuple[ir.Value, ir.Value] | None:
    """The sum and its other operand."""
    output = conv.node.outputs[0]
    uses = list(output.uses())
    if len(uses) != 1 or output.is_graph_output():
        return None
    add = uses[0].node
    if add.op_type != "Add" or add.domain != "" or add.graph is not conv.node.graph:
        return None
    other = add.inputs[1 - uses[0].idx]
    if other is None or is_constant(other) or conv.model.shapes.get(str(other.name)) != conv.output_shape:
        return None
    if _ancestors(other, known) & {each.node for each in pending}:
        return None
    return add.outputs[0], other


def _ancestors(value: ir.Value, known: Collection[str]) -> set[ir.Node]:
    """Every node that the value depends on, as far as the known values."""
    found: set[ir.Node] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        node = None if current.name in known else current.producer()
        if node is not None and node not in found:
            found.add(node)
            stack.extend(sources(node))
    return found

"""What stands behind a response, element by element: an activation, however many nodes it is written in.

Only where it ends is found here; what it computes is asked of the runtime (`execution.Walk.table`).
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir

from convprof.graph.model import Model
from convprof.graph.weights import is_constant

_ELEMENTWISE = frozenset(
    (
        *("Abs", "Add", "Celu", "Clip", "Div", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu"),
        *("Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign"),
        *("Sqrt", "Sub", "Swish", "Tanh", "ThresholdedRelu"),
    )
)
_MOST_NODES = 16


def activated(value: ir.Value, model: Model) -> ir.Value | None:
    """The last value that is a function of `value` alone, element by element, and that hides `value` from the rest.

    SiLU written as x * Sigmoid(x) ends at the product. None where `value` itself is read by anything else.
    """
    inside, nodes = {value}, set[ir.Node]()
    found = None
    for _ in range(_MOST_NODES):
        if any(each.is_graph_output() for each in inside):
            return found
        node = _next(inside, nodes)
        if node is None or not _fits(node, inside, value, model):
            return found
        nodes.add(node)
        inside.add(node.outputs[0])
        inside = {each for each in inside if each.is_graph_output() or _unread(each, nodes)}
        if inside == {node.outputs[0]}:
            found = node.outputs[0]
    return found


def _next(inside: set[ir.Value], nodes: set[ir.Node]) -> ir.Node | None:
    """A node not yet taken that reads values of `inside` and, apart from constants, nothing else."""
    readers = {use.node for value in inside for use in value.uses()} - nodes
    ready = (node for node in readers if all(v is None or v in inside or is_constant(v) for v in node.inputs))
    return min(ready, key=lambda node: (node.name or "", node.op_type), default=None)


def _fits(node: ir.Node, inside: set[ir.Value], value: ir.Value, model: Model) -> bool:
    """Whether the node computes element by element, with constants spread over channels at most."""
    if node.op_type not in _ELEMENTWISE or node.domain != "" or len(node.outputs) != 1:
        return False
    if node.graph is not value.graph:
        return False
    constants = [v for v in node.inputs if v is not None and v not in inside]
    return all(_spreads_over_channels(model.shapes.get(str(v.name)), value, model) for v in constants)


def _spreads_over_channels(shape: tuple[int, ...] | None, value: ir.Value, model: Model) -> bool:
    """Whether a constant of this shape is one number, or one a channel."""
    if shape is None:
        return False
    if prod(shape) == 1:
        return True
    seen = model.shapes.get(str(value.name))
    return (
        seen is not None and prod(shape) == seen[1] and len(shape) >= len(seen) - 1 and shape[1 - len(seen)] == seen[1]
    )


def _unread(value: ir.Value, nodes: set[ir.Node]) -> bool:
    """Whether the value is read by a node that is not in `nodes`."""
    return any(use.node not in nodes for use in value.uses())

"""What an activation lets through: outside of that range a response may be anything that stays outside."""

from __future__ import annotations

from math import inf

import numpy as np
import onnx_ir as ir

from convprof.graph.model import Model
from convprof.graph.weights import constant

Range = tuple[float, float]


def passed_range(value: ir.Value, model: Model) -> Range | None:
    """(low, high) if every reader of `value` cuts it to that same range: Relu is (0, inf), Clip has its bounds."""
    uses = list(value.uses())
    if not uses or value.is_graph_output():
        return None
    ranges = {_range(use.node, value, model) for use in uses}
    return ranges.pop() if len(ranges) == 1 else None


def _range(node: ir.Node, value: ir.Value, model: Model) -> Range | None:
    if node.domain != "" or node.inputs[0] is not value:
        return None
    if node.op_type == "Relu":
        return 0.0, inf
    if node.op_type != "Clip":
        return None
    bounds = [_bound(node, name, index, model) for index, name in ((1, "min"), (2, "max"))]
    low, high = (default if bound is None else bound for bound, default in zip(bounds, (-inf, inf), strict=True))
    return (low, high) if low < high else None


def _bound(node: ir.Node, name: str, index: int, model: Model) -> float | None:
    """A bound of Clip: an attribute before opset 11, an input since; NaN, which no range has, where it varies."""
    attribute = node.attributes.get(name)
    if attribute is not None and not attribute.is_ref():
        return attribute.as_float()
    source = node.inputs[index] if index < len(node.inputs) else None
    if source is None:
        return None
    array = constant(source, model)
    return float("nan") if array is None else float(np.asarray(array, np.float64).reshape(-1)[0])

"""Which convs can repair what others break: those that see it, whatever the order of the nodes."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from convprof.graph.convs import ConvNode, find_convs
from convprof.graph.model import Model
from convprof.graph.segments import sources


def convs_behind(model: Model, layers: Collection[str]) -> frozenset[str]:
    """Names of the convs of the main graph that depend on the output of any conv named in `layers`.

    Without those that share their weights: other numbers for one of them would be one more tensor.
    """
    convs = {conv.node: conv for conv in find_convs(model)}
    reached: set[ir.Value] = set()
    behind = set()
    for node in model.program.graph:
        conv = convs.get(node)
        sees = not reached.isdisjoint(sources(node))
        if conv and sees and not _shares(conv):
            behind.add(conv.name)
        if sees or (conv and conv.name in layers):
            reached.update(node.outputs)
    return frozenset(behind)


def _shares(conv: ConvNode) -> bool:
    weights = conv.node.inputs[1]
    return weights is not None and len(weights.uses()) > 1

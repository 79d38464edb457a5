"""Which convs see what others make: not those before them, and not those on a branch beside them."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from convprof.graph.convs import find_convs
from convprof.graph.model import Model
from convprof.graph.segments import sources


def convs_behind(model: Model, layers: Collection[str]) -> frozenset[str]:
    """Names of the convs of the main graph that depend on the output of any conv named in `layers`."""
    convs = {conv.node: conv.name for conv in find_convs(model)}
    reached: set[ir.Value] = set()
    behind = set()
    for node in model.program.graph:
        sees = not reached.isdisjoint(sources(node))
        if sees and node in convs:
            behind.add(convs[node])
        if sees or convs.get(node) in layers:
            reached.update(node.outputs)
    return frozenset(behind)

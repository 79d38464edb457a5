"""Which layer the names in a graph belong to, as a runtime's profile will use them.

Runtimes fuse what follows a conv into it and then name the fused node after the tensor it writes: so the conv owns its
output, and that of every activation, normalisation or Add that alone reads what the conv made.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from convprof.graph.convs import find_convs
from convprof.graph.model import Model, nodes_with_scope

_FUSED_NAMES = """
Add BatchNormalization Clip Elu Gelu HardSigmoid HardSwish LeakyRelu Mul PRelu Relu Sigmoid Tanh
"""
_FUSED = frozenset(_FUSED_NAMES.split())


def layer_owners(model: Model, layers: Collection[str]) -> dict[str, str]:
    """Which of the original model's `layers` each node and each tensor of `model` belongs to, "" for none.

    Where two convs end in one Add, the later one owns it: that is the one a runtime fuses it into.
    """
    owners: dict[str, str] = {}
    for _, node in nodes_with_scope(model.program):
        names = [node.name, *(value.name for value in node.outputs)]
        owners |= {name: _heir(name, layers) for name in names if name}
    for conv in find_convs(model):
        owner = layer_name(conv.name, layers)
        owners |= {name: owner for name in (conv.name, conv.node.name) if name}
        value: ir.Value | None = conv.node.outputs[0]
        while value is not None:
            owners[str(value.name)] = owner
            producer = value.producer()
            if producer is not None and producer.name:
                owners[producer.name] = owner
            value = _follower(value)
    return owners


def layer_name(node: str, layers: Collection[str]) -> str:
    """Which of the original model's `layers` a node of a rewritten model belongs to, or its own name."""
    parts = node.split("/convprof/")
    # The original may have been rewritten before: what belongs to a layer then holds the mark more than once.
    stems = ("/convprof/".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((stem for stem in stems if stem in layers), node)


def _heir(name: str, layers: Collection[str]) -> str:
    """The layer that a node or tensor stands in for, or ""."""
    layer = layer_name(name, layers)
    return layer if layer in layers and layer != name else ""


def _follower(value: ir.Value) -> ir.Value | None:
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output():
        return None
    node = uses[0].node
    if node.op_type not in _FUSED or node.domain != "" or node.graph is not value.graph:
        return None
    return node.outputs[0]

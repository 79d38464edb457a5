"""Which layer a tensor belongs to in a runtime's profile.

Runtimes fuse what follows a conv into it and then name the fused node after the tensor it writes: so the conv owns its
output, and that of every activation, normalisation or Add that alone reads what the conv made.
"""

from __future__ import annotations

import onnx_ir as ir

from convprof.graph.convs import find_convs
from convprof.graph.model import Model

_FUSED_NAMES = """
Add BatchNormalization Clip Elu Gelu HardSigmoid HardSwish LeakyRelu Mul PRelu Relu Sigmoid Tanh
"""
_FUSED = frozenset(_FUSED_NAMES.split())


def layer_owners(model: Model) -> dict[str, str]:
    """Name of each conv's layer by the name of every tensor that the conv owns.

    Where two convs end in one Add, the later one owns it: that is the one a runtime fuses it into.
    """
    owners: dict[str, str] = {}
    for conv in find_convs(model):
        value: ir.Value | None = conv.node.outputs[0]
        while value is not None:
            owners[str(value.name)] = conv.name
            value = _follower(value)
    return owners


def _follower(value: ir.Value) -> ir.Value | None:
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output():
        return None
    node = uses[0].node
    if node.op_type not in _FUSED or node.domain != "" or node.graph is not value.graph:
        return None
    return node.outputs[0]

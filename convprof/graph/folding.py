"""Folds BatchNormalization into the Conv before it, so that what replaces the conv needs no normalisation after it.

    W' = W * gamma / sqrt(var + eps)        B' = (B - mean) * gamma / sqrt(var + eps) + beta

per output channel (Ioffe and Szegedy 2015, section 3.1, in inference).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from convprof.graph.convs import ConvNode, find_convs
from convprof.graph.model import Model
from convprof.graph.naming import Names, drop_unused
from convprof.graph.weights import constant

_EPSILON = 1e-5


def fold_batch_norm(model: Model, layers: Collection[str]) -> Model:
    """A copy of the model in which the convs named in `layers` have absorbed the BatchNormalization after them.

    A conv whose output anyone else reads keeps its BatchNormalization. Every conv of the copy carries its layer's name,
    for folding may take away what the name was derived from. The given model stays as it is.
    """
    program = model.program.clone()
    copy = replace(model, program=program)
    names = Names(program)
    convs = find_convs(copy)
    for conv in convs:
        conv.node.name = conv.name
    for conv in convs:
        if conv.name in layers and conv.refusal is None:
            _fold(conv, copy, names)
    return copy


def _fold(conv: ConvNode, model: Model, names: Names) -> None:
    norm = _following_norm(conv)
    if norm is None:
        return
    kernel, parameters = conv.kernel(), [constant(value, model) for value in norm.inputs[1:]]
    if [None if array is None else array.shape for array in parameters] != [(len(kernel),)] * 4:
        return
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in parameters)
    epsilon_attribute = norm.attributes.get("epsilon")
    epsilon = _EPSILON if epsilon_attribute is None else epsilon_attribute.as_float()
    if not (variance + epsilon > 0).all():
        return
    scale = gamma / np.sqrt(variance + epsilon)
    bias = conv.bias()
    old_bias = np.zeros(len(kernel)) if bias is None else bias.astype(np.float64)
    weight = kernel.astype(np.float64) * scale.reshape(-1, *(1,) * (kernel.ndim - 1))
    dtype, graph = ir.DataType.from_numpy(kernel.dtype), model.program.graph
    pair = [
        names.initializer(graph, f"{conv.name}/folded/{role}", array, dtype)
        for role, array in (("weight", weight), ("bias", (old_bias - mean) * scale + beta))
    ]
    node = ir.Node("", "Conv", [conv.node.inputs[0], *pair], conv.node.attributes.values(), name=conv.node.name)
    constants = [value for old in (conv.node, norm) for value in old.inputs[1:] if value is not None]
    ir.convenience.replace_nodes_and_values(graph, norm, [norm, conv.node], [node], norm.outputs[:1], node.outputs)
    drop_unused(constants)


def _following_norm(conv: ConvNode) -> ir.Node | None:
    """The BatchNormalization that alone reads the conv's output, in inference mode."""
    output = conv.node.outputs[0]
    uses = output.uses()
    if len(uses) != 1 or output.is_graph_output():
        return None
    norm = next(iter(uses)).node
    training = norm.attributes.get("training_mode")
    if norm.op_type != "BatchNormalization" or norm.domain != "" or norm.graph is not conv.node.graph:
        return None
    if (training is not None and training.as_int() != 0) or any(v.uses() for v in norm.outputs[1:]):
        return None
    return norm

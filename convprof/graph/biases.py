"""Adds constants to the responses of convolutions, by their biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from convprof.graph.convs import ConvNode, find_convs
from convprof.graph.model import Model
from convprof.graph.naming import Names, drop_unused


def shift_biases(model: Model, shifts: Mapping[str, NDArray[np.float64]]) -> Model:
    """A copy of the model with `shifts` (N,), by the names of convs, added to their N channels of responses.

    The given model stays as it is. Raises ModelError where a bias cannot be read.
    """
    copy = replace(model, program=model.program.clone())
    names = Names(copy.program)
    for conv in find_convs(copy):
        if conv.name in shifts:
            _shift(conv, shifts[conv.name], names)
    return copy


def _shift(conv: ConvNode, shift: NDArray[np.float64], names: Names) -> None:
    graph, weight, bias = conv.model.program.graph, conv.kernel(), conv.bias()
    wanted = shift if bias is None else bias.astype(np.float64) + shift
    value = names.initializer(graph, f"{conv.name}/shifted/bias", wanted, ir.DataType.from_numpy(weight.dtype))
    old = conv.node.inputs[2] if conv.has_bias else None
    conv.node.resize_inputs(3)
    conv.node.replace_input_with(2, value)
    if old is not None:
        drop_unused([old])

"""Writes the convs that replace a conv into the graph, under names that tell where they come from.

The nodes that replace conv `X` are called `X/convprof/...`, the last one makes the very value that X made, so that the
rest of the graph, its opset and its metadata stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from convprof.graph.convs import ConvNode
from convprof.graph.naming import Names, drop_unused
from convprof.records.factors import Arrangement, Array, ConvStep, Parallel


@dataclass
class _Writer:
    """Makes nodes one after another for one replaced conv."""

    graph: ir.Graph
    names: Names
    layer: str
    dtype: ir.DataType
    nodes: list[ir.Node]

    def arrangement(self, arrangement: Arrangement, source: ir.Value) -> ir.Value:
        value = source
        for number, step in enumerate(arrangement):
            if isinstance(step, ConvStep):
                value = self.conv(step, value, f"{number}/{_role(step)}")
                continue
            branches = []
            for letter, branch in enumerate(step.branches):
                end = value
                for part in branch:
                    end = self.conv(part, end, f"{number}/{letter}/{_role(part)}")
                branches.append(end)
            value = self.join(step, branches, str(number))
        return value

    def conv(self, step: ConvStep, source: ir.Value, role: str) -> ir.Value:
        spec = step.spec
        inputs = [source, self._constant(f"{role}/weight", step.weight)]
        if step.bias is not None:
            inputs.append(self._constant(f"{role}/bias", step.bias))
        attributes = [
            ir.AttrInt64s("kernel_shape", spec.kernel_shape),
            ir.AttrInt64s("strides", spec.strides),
            ir.AttrInt64s("pads", spec.pads),
            ir.AttrInt64s("dilations", spec.dilations),
            ir.AttrInt64("group", spec.group),
        ]
        return self._node("Conv", inputs, attributes, role)

    def join(self, parallel: Parallel, branches: list[ir.Value], role: str) -> ir.Value:
        if parallel.join == "concat":
            return self._node("Concat", branches, [ir.AttrInt64("axis", 1)], f"{role}/concat")
        total = branches[0]
        for number, branch in enumerate(branches[1:], 1):
            total = self._node("Add", [total, branch], [], f"{role}/add{number}")
        return total

    def _constant(self, role: str, array: Array) -> ir.Value:
        return self.names.initializer(self.graph, f"{self.layer}/convprof/{role}", array, self.dtype)

    def _node(self, op_type: str, inputs: Sequence[ir.Value], attributes: list[ir.Attr], role: str) -> ir.Value:
        name = self.names.new(f"{self.layer}/convprof/{role}")
        output = ir.Value(name=self.names.new(f"{name}/output"), type=ir.TensorType(self.dtype))
        self.nodes.append(ir.Node("", op_type, inputs, attributes, outputs=[output], name=name))
        return output


def replace_conv(conv: ConvNode, arrangement: Arrangement, names: Names) -> tuple[ir.Value, ...]:
    """Replace the conv by `arrangement` in the graph that it stands in (in place: callers hold a clone).

    Returns the values that the new nodes make.
    """
    graph, source, dtype = conv.node.graph, conv.node.inputs[0], conv.dtype
    if not isinstance(graph, ir.Graph) or source is None or dtype is None:
        raise ValueError(f"{conv.name!r} cannot be replaced: {conv.refusal}")
    writer = _Writer(graph, names, conv.name, ir.DataType.from_numpy(np.dtype(dtype)), [])
    value = writer.arrangement(arrangement, source)
    constants = [value for value in conv.node.inputs[1:] if value is not None]
    ir.convenience.replace_nodes_and_values(graph, conv.node, [conv.node], writer.nodes, conv.node.outputs[:1], [value])
    drop_unused(constants)
    return tuple(output for node in writer.nodes for output in node.outputs)


def standalone(conv: ConvNode, arrangement: Arrangement) -> ir.Model:
    """A program of `arrangement` alone, from the conv's input to its output by their names, at any size."""
    program, site = conv.model.program, conv.known_site
    dtype = ir.DataType.from_numpy(np.dtype(conv.dtype))
    shape = ir.Shape([None] * (2 + len(site.input_size)))
    source = ir.Value(name=conv.input_name, type=ir.TensorType(dtype), shape=shape)
    graph = ir.Graph([source], [], nodes=[], opset_imports=program.graph.opset_imports, name=conv.name)
    made = ir.Model(graph, ir_version=program.ir_version)
    writer = _Writer(graph, Names(made), conv.name, dtype, [])
    value = writer.arrangement(arrangement, source)
    value.name = conv.output_name
    graph.extend(writer.nodes)
    graph.outputs.append(value)
    return made


def _role(step: ConvStep) -> str:
    """A word for the node's name: what kind of conv it is."""
    if all(size == 1 for size in step.spec.kernel_shape):
        return "pointwise"
    return "conv" if step.spec.group == 1 else "depthwise"

"""The convolutions of a model, each with its geometry and, where it cannot be replaced, the reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from convprof.errors import ModelError
from convprof.graph.model import Model, nodes_with_scope
from convprof.graph.naming import unused
from convprof.graph.weights import constant, is_constant
from convprof.records.convs import ConvSite, ConvSpec
from convprof.records.remarks import Remark

_OPS = ("Conv", "ConvTranspose")


@dataclass(frozen=True)
class ConvNode:
    """One Conv or ConvTranspose. `site` is None where a shape is unknown or the attributes contradict each other."""

    model: Model
    node: ir.Node
    name: str
    scope: str
    site: ConvSite | None

    @property
    def op_type(self) -> str:
        """Conv or ConvTranspose."""
        return self.node.op_type

    @property
    def known_site(self) -> ConvSite:
        """The site of a conv that is known to have one; raises ModelError where its shapes are unknown."""
        if self.site is None:
            raise ModelError(f"{self.model.file.path}: {self.name!r}", "its shapes are unknown", "give --input-shape")
        return self.site

    @property
    def input_name(self) -> str:
        """Name of X."""
        return _name(self.node.inputs[0])

    @property
    def output_name(self) -> str:
        """Name of Y."""
        return _name(self.node.outputs[0])

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Shape of X, batch first."""
        return self.model.shapes.get(self.input_name)

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """Shape of Y, batch first."""
        return self.model.shapes.get(self.output_name)

    @property
    def weight_shape(self) -> tuple[int, ...] | None:
        """Shape of W as stored."""
        return _weight_shape(self.model, self.node)

    @property
    def dtype(self) -> str | None:
        """Name of the weights' type as numpy has it."""
        weight = self.node.inputs[1]
        if weight is not None and weight.const_value is not None:
            return weight.const_value.dtype.numpy().name
        return self.model.dtypes.get(_name(weight))

    @property
    def group(self) -> int:
        """ONNX's attribute `group`."""
        return _group(self.node)

    @property
    def has_bias(self) -> bool:
        """Whether the node has a third input."""
        return len(self.node.inputs) > 2 and self.node.inputs[2] is not None

    @cached_property
    def refusal(self) -> Remark | None:
        """Why this node cannot be replaced whatever the form, or None."""
        if self.op_type == "ConvTranspose":
            return Remark("conv-transpose", "transposed convolutions are not factored")
        if self.scope:
            return Remark("inside-subgraph", f"the conv stands inside {self.scope}, not in the main graph")
        if self.site is None:
            return Remark("unknown-shape", "the shapes around the conv are not known; give --input-shape")
        if self.dtype not in ("float32", "float64", "float16", "bfloat16"):
            return Remark("dtype", f"weights of type {self.dtype} are not factored")
        if _is_dequantized(self.node.inputs[0]):
            return Remark(
                "quantized", "the conv works on int8: replace convs in the float model and quantize the result"
            )
        if not is_constant(self.node.inputs[1]) or (self.has_bias and not is_constant(self.node.inputs[2])):
            return Remark("weights-not-constant", "the weights are computed from the model's inputs")
        return None

    def kernel(self) -> NDArray[np.generic]:
        """The weights W in their own type; raises ModelError where they cannot be read."""
        return self._read(1)

    def bias(self) -> NDArray[np.generic] | None:
        """The bias B in its own type, None where the node has none."""
        return self._read(2) if self.has_bias else None

    def _read(self, index: int) -> NDArray[np.generic]:
        array = constant(self.node.inputs[index], self.model)
        if array is None:
            what = f"{self.model.file.path}: weights of {self.name!r}"
            raise ModelError(what, "not a constant that fits in memory", "fold constants first, or --skip the layer")
        return array


def find_convs(model: Model) -> tuple[ConvNode, ...]:
    """All convs in graph order; names are the nodes' own where unique, else their first output's, numbered if taken."""
    nodes = list(nodes_with_scope(model.program))
    counts = Counter(node.name or "" for _, node in nodes)
    taken = set(counts)
    return tuple(
        ConvNode(model, node, _unique_name(node, scope, counts, taken), scope, _site(model, node))
        for scope, node in nodes
        if _is_conv(node)
    )


def _is_dequantized(value: ir.Value | None) -> bool:
    """Whether the value stands for integers, so that the runtime may take the integers instead."""
    producer = None if value is None else value.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _group(node: ir.Node) -> int:
    attribute = node.attributes.get("group")
    return 1 if attribute is None or attribute.is_ref() else attribute.as_int()


def _ints(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """An integer-list attribute of the node, or the default."""
    attribute = node.attributes.get(name)
    return default if attribute is None or attribute.is_ref() else tuple(attribute.as_ints())


def _is_conv(node: ir.Node) -> bool:
    return node.op_type in _OPS and node.domain == "" and len(node.inputs) > 1 and len(node.outputs) > 0


def _unique_name(node: ir.Node, scope: str, counts: Counter[str], taken: set[str]) -> str:
    if node.name and counts[node.name] == 1:
        return node.name
    output = str(node.outputs[0].name)
    return unused(f"{scope}/{output}" if scope else output, taken)


def _name(value: ir.Value | None) -> str:
    return "" if value is None else str(value.name)


def _weight_shape(model: Model, node: ir.Node) -> tuple[int, ...] | None:
    value = node.inputs[1]
    if value is None:
        return None
    if value.const_value is not None:
        return tuple(int(d) for d in value.const_value.shape.numpy())
    return model.shapes.get(str(value.name))


def _site(model: Model, node: ir.Node) -> ConvSite | None:
    """Geometry from attributes, weight shape and input shape; None where they are unknown or disagree."""
    weight, shape = _weight_shape(model, node), model.shapes.get(_name(node.inputs[0]))
    if weight is None or shape is None or len(weight) != len(shape) or len(weight) < 3 or node.op_type != "Conv":
        return None
    axes = len(weight) - 2
    one = (1,) * axes
    group = _group(node)
    kernel = _ints(node, "kernel_shape", weight[2:])
    strides, dilations = _ints(node, "strides", one), _ints(node, "dilations", one)
    pads = _pads(node, shape[2:], kernel, strides, dilations)
    lengths_fit = len(strides) == len(dilations) == axes and len(pads) == 2 * axes and kernel == weight[2:]
    if not lengths_fit or group < 1 or weight[0] % group or weight[1] * group != shape[1]:
        return None
    if min((*strides, *dilations, *weight, *shape)) < 1 or min(pads) < 0:
        return None
    site = ConvSite(ConvSpec(shape[1], weight[0], kernel, strides, pads, dilations, group), shape[0], shape[2:])
    return site if min(site.output_size) > 0 else None


def _pads(
    node: ir.Node,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> tuple[int, ...]:
    """Explicit pads; auto_pad is resolved as the ONNX specification of Conv says, none for a mode it does not know."""
    axes = len(size)
    attribute = node.attributes.get("auto_pad")
    mode = "NOTSET" if attribute is None or attribute.is_ref() else attribute.as_string()
    if mode == "NOTSET":
        return _ints(node, "pads", (0,) * (2 * axes))
    if mode == "VALID" or not len(kernel) == len(strides) == len(dilations) == axes or min(strides) < 1:
        return (0,) * (2 * axes)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        return ()
    total = [
        max((-(-size[i] // strides[i]) - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - size[i], 0)
        for i in range(axes)
    ]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return tuple(small + large) if mode == "SAME_UPPER" else tuple(large + small)

"""Convs that follow and join each other without anything in between, run as the one conv that they equal.

The kernels are composed anew in every pass, so the gradient reaches each factor; composing is done in the weights' own
type even under autocast. A value of the chain is a list of convs of the chain's input, concatenated; with the kernels
as matrices K (C x M k), all groups g apart, and W of the conv behind:

    conv behind conv:  K'[n] = sum_c W[n, c] K[c]      where along every axis one of the two kernels has size 1
    Add:               K' = K1 + K2                    Concat: the list goes on
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convprof.records.network import Step
from convprof.torch.node import Node
from convprof.torch.ops.convolution import conv


@dataclass(frozen=True)
class Geometry:
    """Strides, pads (all begins, then all ends) and dilations of a conv."""

    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]


@dataclass(frozen=True)
class Linear:
    """A conv of the chain's input: kernel (C, M / group, *k) and bias (C,)."""

    kernel: Tensor
    group: int
    geometry: Geometry
    bias: Tensor | None = None


@dataclass(frozen=True)
class Chain:
    """Conv, Add and Concat nodes, each after those that it reads, from `source` to `result` through `factors`."""

    steps: tuple[Step, ...]
    source: str
    factors: tuple[str, ...]
    result: str

    def compose(self, tensors: Sequence[Tensor]) -> Linear:
        """The one conv, for tensors in the order of `factors`; raises ValueError where no one conv is the same."""
        factors = dict(zip(self.factors, tensors, strict=True))
        values: dict[str, tuple[Linear, ...]] = {}
        for step in self.steps:
            values[step.outputs[0]] = _value(step, self.source, values, factors)
        return _single(values[self.result])


def composed_conv(node: Node, x: Tensor, *factors: Tensor) -> Tensor:
    """The node that `convprof.torch.composing` puts in the place of a chain; files cannot hold it."""
    chain = node.attributes.get("chain")
    if not isinstance(chain, Chain):
        raise ValueError("it is no operator that a file can hold")
    with torch.amp.autocast("cpu" if x.is_meta else x.device.type, enabled=False):
        whole = chain.compose(factors)
    shape = whole.geometry
    attributes = {"strides": shape.strides, "pads": shape.pads, "dilations": shape.dilations, "group": whole.group}
    return conv(replace(node, op_type="Conv", attributes=attributes), x, whole.kernel, whole.bias)


def _value(
    step: Step, source: str, values: Mapping[str, tuple[Linear, ...]], factors: Mapping[str, Tensor]
) -> tuple[Linear, ...]:
    if step.op_type == "Concat":
        return tuple(part for name in step.inputs for part in values[name])
    if step.op_type == "Add":
        return (_added(_single(values[step.inputs[0]]), _single(values[step.inputs[1]])),)
    weight, *biases = (factors[name] for name in step.inputs[1:] if name)
    bias = biases[0] if biases else None
    group, geometry = int(step.attributes.get("group", 1)), _geometry(step, weight)
    if step.inputs[0] == source:
        return (Linear(weight, group, geometry, bias),)
    behind = _behind(values[step.inputs[0]], weight, group, geometry)
    return (replace(behind, bias=bias),)


def _geometry(step: Step, weight: Tensor) -> Geometry:
    if step.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", ""):
        raise ValueError("its padding depends on the input's size")
    axes = weight.ndim - 2
    one, none = (1,) * axes, (0,) * (2 * axes)
    read = step.attributes.get
    return Geometry(tuple(read("strides", one)), tuple(read("pads", none)), tuple(read("dilations", one)))


def _single(parts: tuple[Linear, ...]) -> Linear:
    if len(parts) != 1:
        raise ValueError("concatenated channels that no conv mixes")
    return parts[0]


def _added(first: Linear, second: Linear) -> Linear:
    if (first.geometry, first.group, first.kernel.shape) != (second.geometry, second.group, second.kernel.shape):
        raise ValueError("it adds up convs of different geometry")
    biases = [bias for bias in (first.bias, second.bias) if bias is not None]
    return replace(first, kernel=first.kernel + second.kernel, bias=sum(biases[1:], biases[0]) if biases else None)


def _behind(parts: tuple[Linear, ...], weight: Tensor, group: int, geometry: Geometry) -> Linear:
    """A conv behind the concatenation of `parts`, as one conv of the chain's input."""
    if any(part.bias is not None for part in parts):
        raise ValueError("a bias before the last conv, which padding would not see")
    if len(parts) > 1 and group != 1:
        raise ValueError("groups of concatenated channels")
    columns = torch.split(weight, [len(part.kernel) for part in parts], dim=1) if len(parts) > 1 else (weight,)
    whole, *others = (_chained(part, each, group, geometry) for part, each in zip(parts, columns, strict=True))
    for other in others:
        whole = _added(whole, other)
    return whole


def _chained(part: Linear, weight: Tensor, group: int, geometry: Geometry) -> Linear:
    """A conv behind one conv. Of the two at most one may be grouped."""
    first, axes = part.kernel, weight.ndim - 2
    merged = _merged(part.geometry, first, geometry, weight)
    width, depth = len(first), first.shape[1]
    if group == 1:  # the first may be grouped: its channels come group by group
        left = weight.reshape(len(weight), part.group, width // part.group, -1)
        right = first.reshape(part.group, width // part.group, depth, -1)
        product = torch.einsum("ngcj,gcmk->ngmjk", left, right)
    elif part.group == 1:
        left = weight.reshape(group, len(weight) // group, width // group, -1)
        right = first.reshape(group, width // group, depth, -1)
        product = torch.einsum("gncj,gcmk->gnmjk", left, right)
    else:
        raise ValueError("a grouped conv behind a grouped conv")
    kernel = product.reshape(len(weight), part.group * depth, *weight.shape[2:], *first.shape[2:])
    # From (n, m, all axes of the second, all axes of the first) to (n, m, axis by axis).
    order = [2 + axis + offset for axis in range(axes) for offset in (0, axes)]
    sizes = [a * b for a, b in zip(weight.shape[2:], first.shape[2:], strict=True)]
    return Linear(kernel.permute(0, 1, *order).reshape(*kernel.shape[:2], *sizes), 1, merged)


def _merged(first: Geometry, kernel: Tensor, second: Geometry, weight: Tensor) -> Geometry:
    """The geometry of both: along each axis that of the one that does not stay in its place."""
    axes = weight.ndim - 2
    chosen = []
    for axis in range(axes):
        if _stays(second, weight, axis):
            chosen.append(first)
        elif _stays(first, kernel, axis):
            chosen.append(second)
        else:
            raise ValueError("two kernels along one axis")
    return Geometry(
        tuple(each.strides[axis] for axis, each in enumerate(chosen)),
        tuple(each.pads[axis + end] for end in (0, axes) for axis, each in enumerate(chosen)),
        tuple(each.dilations[axis] for axis, each in enumerate(chosen)),
    )


def _stays(geometry: Geometry, kernel: Tensor, axis: int) -> bool:
    """Whether along an axis every output sees the input at its own place only."""
    axes = kernel.ndim - 2
    return (
        kernel.shape[2 + axis] == geometry.strides[axis] == 1 and geometry.pads[axis] == geometry.pads[axis + axes] == 0
    )

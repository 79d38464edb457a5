"""Shapes and the order of elements; no arithmetic."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from convprof.torch.node import Node
from convprof.torch.types import DTYPES, to_torch

_LARGEST = 1 << 28
"""Elements that a graph may make from nothing."""


def shape(node: Node, x: Tensor) -> Tensor:
    """Shape, of all axes or of those from `start` to before `end`."""
    return torch.tensor(x.shape[slice(node.attributes.get("start"), node.attributes.get("end"))], dtype=torch.int64)


def size(_: Node, x: Tensor) -> Tensor:
    """Size."""
    return torch.tensor(x.numel(), dtype=torch.int64)


def reshape(node: Node, x: Tensor, wanted: tuple[int, ...] | None = None) -> Tensor:
    """Reshape: -1 is whatever is left, 0 keeps the size unless `allowzero`."""
    sizes = node.integers("shape") if wanted is None else wanted
    if not node.integer("allowzero", 0):
        sizes = tuple(size if size or i >= x.ndim else x.shape[i] for i, size in enumerate(sizes or ()))
    return x.reshape(sizes or ())


def flatten(node: Node, x: Tensor) -> Tensor:
    """Flatten to a matrix."""
    axis = node.integer("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def squeeze(node: Node, x: Tensor, axes: tuple[int, ...] | None = None) -> Tensor:
    """Squeeze; axes are an attribute before opset 13."""
    axes = node.integers("axes") if axes is None else axes
    if axes is None:
        return x.squeeze()
    if any(x.shape[axis] != 1 for axis in axes):
        raise ValueError(f"axes {axes} of shape {list(x.shape)} are not of size 1")
    return x.squeeze(axes)


def unsqueeze(node: Node, x: Tensor, axes: tuple[int, ...] | int | None = None) -> Tensor:
    """Unsqueeze; axes are an attribute before opset 13, and those of the result."""
    given = node.integers("axes") if axes is None else axes
    listed = (given,) if isinstance(given, int) else given or ()
    rank = x.ndim + len(listed)
    for axis in sorted(axis % rank for axis in listed):
        x = x.unsqueeze(axis)
    return x


def transpose(node: Node, x: Tensor) -> Tensor:
    """Transpose; without `perm` the axes backwards."""
    order = node.integers("perm")
    return x.permute(order if order is not None else tuple(reversed(range(x.ndim))))


def expand(_: Node, x: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """Expand: both shapes spread over each other."""
    sizes = (1,) * (x.ndim - len(wanted)) + wanted
    own = (1,) * (len(sizes) - x.ndim) + tuple(x.shape)
    return x.expand([n if size == 1 else size for n, size in zip(own, sizes, strict=True)])


def tile(_: Node, x: Tensor, repeats: tuple[int, ...]) -> Tensor:
    """Tile."""
    return x.repeat(repeats)


def concat(node: Node, *parts: Tensor) -> Tensor:
    """Concat."""
    return torch.cat(parts, node.integer("axis", 1))


def split(node: Node, x: Tensor, sizes: tuple[int, ...] | None = None) -> tuple[Tensor, ...]:
    """Split: by sizes, else into as many parts as there are outputs, the last one smaller if need be."""
    axis = node.integer("axis", 0)
    sizes = node.integers("split") if sizes is None else sizes
    if sizes is None:
        count = node.integer("num_outputs", node.wanted)
        part = -(-x.shape[axis] // count)
        sizes = tuple(min(part, max(x.shape[axis] - part * i, 0)) for i in range(count))
    return tuple(torch.split(x, list(sizes), axis))


def slices(
    node: Node,
    x: Tensor,
    starts: tuple[int, ...] | None = None,
    ends: tuple[int, ...] | None = None,
    axes: tuple[int, ...] | None = None,
    steps: tuple[int, ...] | None = None,
) -> Tensor:
    """Slice; everything is an attribute before opset 10."""
    starts = node.integers("starts") or () if starts is None else starts
    ends = node.integers("ends") or () if ends is None else ends
    axes = node.integers("axes") if axes is None else axes
    axes = tuple(range(len(starts))) if axes is None else axes
    for start, end, axis, step in zip(starts, ends, axes, steps or (1,) * len(starts), strict=True):
        x = _sliced(x, axis % x.ndim, range(x.shape[axis])[start:end:step])
    return x


def depth_to_space(node: Node, x: Tensor) -> Tensor:
    """DepthToSpace."""
    n, c, h, w = x.shape
    b = node.integer("blocksize", 1)
    if node.text("mode", "DCR") == "DCR":
        blocks = x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(n, c // (b * b), b, b, h, w).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // (b * b), h * b, w * b)


def space_to_depth(node: Node, x: Tensor) -> Tensor:
    """SpaceToDepth."""
    n, c, h, w = x.shape
    b = node.integer("blocksize", 1)
    order = (0, 3, 5, 1, 2, 4) if node.text("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return x.reshape(n, c, h // b, b, w // b, b).permute(order).reshape(n, c * b * b, h // b, w // b)


def constant_of_shape(node: Node, wanted: tuple[int, ...]) -> Tensor:
    """ConstantOfShape: zeros of float32, or what `value` says."""
    value = node.attributes.get("value")
    filling = torch.zeros(1) if value is None else to_torch(value)
    return filling.reshape(()).expand(_bounded(wanted)).clone()


def number_range(_: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Range; scalars all."""
    if start.is_meta or limit.is_meta or delta.is_meta:
        raise ValueError("its length depends on the values of the model's inputs")
    first, last, step = start.item(), limit.item(), delta.item()
    if step == 0 or abs((last - first) / step) > _LARGEST:
        raise ValueError(f"a range from {first} to {last} by {step} is too large")
    count = max(-int((first - last) // step), 0)
    return start + torch.arange(count, device=start.device).to(start.dtype) * delta


def trilu(node: Node, x: Tensor, k: int = 0) -> Tensor:
    """Trilu."""
    return torch.triu(x, k or 0) if node.integer("upper", 1) else torch.tril(x, k or 0)


def eye_like(node: Node, x: Tensor) -> Tensor:
    """EyeLike."""
    _bounded(tuple(x.shape))
    dtype = node.attributes.get("dtype")
    rows = torch.arange(x.shape[0])[:, None] + node.integer("k", 0)
    return (rows == torch.arange(x.shape[1])).to(x.dtype if dtype is None else DTYPES[dtype])


def _bounded(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes; raises ValueError where they are absurd."""
    if prod(max(size, 1) for size in sizes) > _LARGEST:
        raise ValueError(f"a tensor of shape {list(sizes)} is too large")
    return sizes


def _sliced(x: Tensor, axis: int, places: range) -> Tensor:
    """The elements at these places along an axis; torch takes no negative steps."""
    if places.step > 0:
        return x[(slice(None),) * axis + (slice(places.start, max(places.stop, places.start), places.step),)]
    back = places[::-1]
    return x[(slice(None),) * axis + (slice(back.start, max(back.stop, back.start), back.step),)].flip(axis)

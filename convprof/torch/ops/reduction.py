"""Reductions over axes: attributes, or an input since opset 18 (ReduceSum: 13); ArgMax, ArgMin, TopK, CumSum."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convprof.torch.node import Kernel, Node

Axes = list[int]


def reduction(function: Callable[[Tensor, Axes, bool], Tensor]) -> Kernel:
    """The operator that reduces by `function` of a tensor, axes, and whether they are kept with size 1."""

    def operator(node: Node, x: Tensor, axes: tuple[int, ...] | None = None) -> Tensor:
        axes = node.integers("axes") if axes is None else axes
        if not axes and node.integer("noop_with_empty_axes", 0):
            return x if function not in _NEVER_NOOP else function(x.unsqueeze(0), [0], False)
        over = sorted(axis % x.ndim for axis in axes) if axes else list(range(x.ndim))
        return function(x, over, bool(node.integer("keepdims", 1))).to(x.dtype)

    return operator


def mean(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceMean."""
    return (x if x.is_floating_point() else x.double()).mean(axes, keep) if axes else x


def total(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceSum."""
    return x.sum(axes, keep) if axes else x


def greatest(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceMax; of nothing, the lowest number there is."""
    if x.numel() == 0 and axes:
        return _of_nothing(x, axes, keep, lowest=True)
    return x.amax(axes, keep) if axes else x


def least(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceMin; of nothing, the highest number there is."""
    if x.numel() == 0 and axes:
        return _of_nothing(x, axes, keep, lowest=False)
    return x.amin(axes, keep) if axes else x


def product(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceProd."""
    for axis in reversed(axes):
        x = x.prod(axis, keep)
    return x


def l1(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceL1."""
    return total(x.abs(), axes, keep)


def l2(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceL2."""
    return total((x if x.is_floating_point() else x.double()).square(), axes, keep).sqrt()


def log_sum(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceLogSum."""
    return total(x if x.is_floating_point() else x.double(), axes, keep).log()


def log_sum_exp(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceLogSumExp."""
    return torch.logsumexp(x if x.is_floating_point() else x.double(), axes, keep) if axes else x


def sum_square(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """ReduceSumSquare."""
    return total(x.square(), axes, keep)


# Of a single element these are not the element itself.
_NEVER_NOOP = (l1, l2, log_sum, sum_square)


def argmax(node: Node, x: Tensor) -> Tensor:
    """ArgMax: the first place, or with `select_last_index` the last."""
    return _extreme(node, x, torch.argmax)


def argmin(node: Node, x: Tensor) -> Tensor:
    """ArgMin: the first place, or with `select_last_index` the last."""
    return _extreme(node, x, torch.argmin)


def top_k(node: Node, x: Tensor, k: tuple[int, ...] | None = None) -> tuple[Tensor, Tensor]:
    """TopK; `k` is an attribute before opset 10."""
    count = node.integer("k", 1) if k is None else k[0]
    largest, axis = bool(node.integer("largest", 1)), node.integer("axis", -1)
    # A stable sort puts equal elements in the order that ONNX wants.
    values, places = torch.sort(x, stable=True, dim=axis, descending=largest)
    return values.narrow(axis, 0, count), places.narrow(axis, 0, count)


def cumulative_sum(node: Node, x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """CumSum."""
    along = axis[0] if isinstance(axis, tuple) else axis
    backwards = bool(node.integer("reverse", 0))
    x = x.flip(along) if backwards else x
    sums = x.cumsum(along).to(x.dtype)
    sums = sums - x if node.integer("exclusive", 0) else sums
    return sums.flip(along) if backwards else sums


def _extreme(node: Node, x: Tensor, function: Callable[[Tensor, int, bool], Tensor]) -> Tensor:
    axis, keep = node.integer("axis", 0), bool(node.integer("keepdims", 1))
    if not node.integer("select_last_index", 0):
        return function(x, axis, keep)
    return x.shape[axis] - 1 - function(x.flip(axis), axis, keep)


def _of_nothing(x: Tensor, axes: Axes, keep: bool, *, lowest: bool) -> Tensor:
    if x.dtype == torch.bool:
        number: float = not lowest
    elif x.is_floating_point():
        number = -torch.inf if lowest else torch.inf
    else:
        number = torch.iinfo(x.dtype).min if lowest else torch.iinfo(x.dtype).max
    sizes = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    made = x.new_full(sizes, number)
    return made if keep else made.squeeze(axes)

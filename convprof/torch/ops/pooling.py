"""Pools: maxima, means and p-norms of windows, and of whole pictures."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from convprof.torch.node import Node
from convprof.torch.ops.convolution import CONVS, around
from convprof.torch.ops.windows import Windows, windows

_MAXIMA: tuple[Callable[..., Tensor], ...] = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
_MEANS: tuple[Callable[..., Tensor], ...] = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)


def max_pool(node: Node, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """MaxPool; with a second output, where each maximum stands in the whole tensor."""
    where = _windows(node, x)
    padding = where.before
    if not _torch_can_pad(where):
        lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
        x, padding = functional.pad(x, _full(where, x), value=lowest), (0,) * len(padding)
    run = _MAXIMA[x.ndim - 3]
    if node.wanted == 1:
        return run(_computable(x), where.kernel, where.strides, padding, where.dilations).to(x.dtype)
    if node.integer("storage_order", 0) or any(padding) != any(where.before):
        raise ValueError("Indices are not supported with storage_order or unequal pads")
    values, places = run(_computable(x), where.kernel, where.strides, padding, where.dilations, return_indices=True)
    planes = torch.arange(prod(x.shape[:2]), device=x.device).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))
    return values.to(x.dtype), places + planes * prod(x.shape[2:])


def average_pool(node: Node, x: Tensor) -> Tensor:
    """AveragePool: pads count with count_include_pad, what ceil_mode adds behind them never."""
    where = _windows(node, x)
    include = bool(node.integer("count_include_pad", 0))
    if _torch_can_pad(where) and max(where.dilations) == 1:
        return _MEANS[x.ndim - 3](x, where.kernel, where.strides, where.before, False, include)
    counted = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    if include:
        counted = functional.pad(counted, around(where.before, where.after), value=1.0)
    pads = _full(where, counted, () if include else where.before)
    return _sums(functional.pad(x, _full(where, x)), where) / _sums(functional.pad(counted, pads), where)


def lp_pool(node: Node, x: Tensor) -> Tensor:
    """LpPool: the p-norm of each window."""
    where, p = _windows(node, x), node.integer("p", 2)
    return _sums(functional.pad(x.abs().pow(p), _full(where, x)), where).pow(1 / p)


def global_average_pool(_: Node, x: Tensor) -> Tensor:
    """GlobalAveragePool."""
    return x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)


def global_max_pool(_: Node, x: Tensor) -> Tensor:
    """GlobalMaxPool."""
    return x.amax(dim=tuple(range(2, x.ndim)), keepdim=True)


def global_lp_pool(node: Node, x: Tensor) -> Tensor:
    """GlobalLpPool."""
    p = node.integer("p", 2)
    return x.abs().pow(p).sum(dim=tuple(range(2, x.ndim)), keepdim=True).pow(1 / p)


def _windows(node: Node, x: Tensor) -> Windows:
    if not 3 <= x.ndim <= 5:
        raise ValueError(f"{x.ndim - 2} spatial axes are not supported")
    return windows(node, tuple(x.shape[2:]), node.integers("kernel_shape") or ())


def _torch_can_pad(where: Windows) -> bool:
    """Torch pads both ends alike, by half a window at most; windows are counted as in ONNX where both round down."""
    halves = all(2 * pad <= kernel for pad, kernel in zip(where.before, where.kernel, strict=True))
    return where.before == where.after and halves and not where.rounded_up


def _full(where: Windows, x: Tensor, before: tuple[int, ...] | None = None) -> list[int]:
    """Pads that make the windows cover `x` exactly."""
    first = where.before if before is None else before
    first = first or (0,) * len(where.kernel)
    return around(first, [span - n - b for span, n, b in zip(where.span, x.shape[2:], first, strict=True)])


def _sums(x: Tensor, where: Windows) -> Tensor:
    """The sum of each window of each plane."""
    kernel = torch.ones((1, 1, *where.kernel), dtype=x.dtype, device=x.device)
    planes = x.reshape(-1, 1, *x.shape[2:])
    made = CONVS[x.ndim - 3](planes, kernel, None, where.strides, 0, where.dilations)
    return made.reshape(*x.shape[:2], *made.shape[2:])


def _computable(x: Tensor) -> Tensor:
    """Small integers as a type that torch has maxima of windows for."""
    return x if x.is_floating_point() else x.to(torch.float64)

"""QuantizeLinear and DequantizeLinear.

    q = clamp(round(x / scale) + zero_point),    x' = (q - zero_point) scale

In a module, what is quantised from moving values stays a floating-point tensor of whole numbers, and the rounding lets
the gradient through as if it were not there (the straight-through estimator of Bengio et al., arXiv:1308.3432).
"""

from __future__ import annotations

import torch
from torch import Tensor

from convprof.torch.node import Node
from convprof.torch.types import DTYPES


def quantize(node: Node, x: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
    """QuantizeLinear, to integers of eight bits or more; the result is of the type of `x`."""
    dtype = DTYPES[node.integer("output_dtype", 0) or 2] if zero_point is None else zero_point.dtype
    if dtype.is_floating_point:
        raise ValueError("only quantisation to integers is supported")
    limits = torch.iinfo(dtype)
    exact = x / _spread(node, scale, x)
    whole = exact + (exact.round() - exact).detach()
    shifted = whole if zero_point is None else whole + _spread(node, zero_point, x)
    return shifted.clamp(limits.min, limits.max)


def dequantize(node: Node, x: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
    """DequantizeLinear."""
    numbers = x.to(scale.dtype)
    shifted = numbers if zero_point is None else numbers - _spread(node, zero_point, x).to(scale.dtype)
    return shifted * _spread(node, scale, x)


def _spread(node: Node, tensor: Tensor, x: Tensor) -> Tensor:
    """A scale or zero point as `x` needs it: one for all, one for each slice of an axis, or one for each block."""
    if tensor.numel() == 1:
        return tensor.reshape(())
    axis, block = node.integer("axis", 1) % x.ndim, node.integer("block_size", 0)
    if block:
        return tensor.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    return tensor.reshape(-1, *(1,) * (x.ndim - 1 - axis))

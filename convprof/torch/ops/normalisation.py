"""Normalisations: by channel over the batch, by sample, by group, over neighbouring channels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, distributed
from torch.nn import functional

from convprof.torch.node import Node
from convprof.torch.types import DTYPES

_EPSILON = 1e-5


def batch_normalization(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor | tuple[Tensor, ...]:
    """BatchNormalization.

    With the batch's statistics, `mean` and `variance` are updated in place: by ONNX's momentum, the share of the old
    ones, and with the variance of the batch itself, not the unbiased one.
    """
    epsilon, keep = node.number("epsilon", _EPSILON), node.number("momentum", 0.9)
    always = bool(node.integer("training_mode", 0))
    if not always and node.statistics == "own":
        return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, epsilon)
    # Shapes are worked out without numbers, which no other process could be sent.
    if node.statistics == "batches" and not x.is_meta:
        y, spread, middle = _normalised_together(x, scale, bias, epsilon)
    else:
        y = functional.batch_norm(x, None, None, scale, bias, True, 0.0, epsilon)
        spread, middle = torch.var_mean(x.detach().to(mean.dtype), _all_but_channels(x), correction=0)
    with torch.no_grad():
        means, variances = mean * keep + middle * (1 - keep), variance * keep + spread * (1 - keep)
        if node.statistics != "own":
            mean.copy_(means)
            variance.copy_(variances)
    return (y, means, variances) if always else y


def _normalised_together(x: Tensor, scale: Tensor, bias: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """By the batches of all processes, differentiated through all of them; and the variance and mean of each channel.

    Torch's SyncBatchNorm is for GPUs alone.
    """
    from torch.distributed.nn.functional import all_reduce

    summed: Callable[[Tensor], Tensor] = all_reduce
    axes, column = _all_but_channels(x), (-1, *[1] * (x.ndim - 2))
    wide = x.to(scale.dtype)
    count = scale.new_tensor(x.numel() / x.shape[1])
    distributed.all_reduce(count)
    mean = summed(wide.sum(axes)) / count
    centred = wide - mean.reshape(column)
    variance = summed(centred.square().sum(axes)) / count
    y = centred * (torch.rsqrt(variance + epsilon) * scale).reshape(column) + bias.reshape(column)
    return y.to(x.dtype), variance, mean


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


def instance_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """InstanceNormalization."""
    return functional.instance_norm(x, weight=scale, bias=bias, eps=node.number("epsilon", _EPSILON))


def layer_normalization(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor | tuple[Tensor, ...]:
    """LayerNormalization, over the axes from `axis` on."""
    epsilon, axis = node.number("epsilon", _EPSILON), node.integer("axis", -1) % x.ndim
    if node.wanted == 1 and scale.shape == x.shape[axis:]:
        bias = None if bias is None else bias.expand(x.shape[axis:])
        return functional.layer_norm(x, x.shape[axis:], scale, bias, epsilon)
    precise = x.to(DTYPES[node.integer("stash_type", 1)]) if x.dtype in (torch.float16, torch.bfloat16) else x
    variance, mean = torch.var_mean(precise, list(range(axis, x.ndim)), correction=0, keepdim=True)
    inverse = torch.rsqrt(variance + epsilon)
    y = ((precise - mean) * inverse).to(x.dtype) * scale
    return y if bias is None else y + bias, mean, inverse


def group_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """GroupNormalization: scale and bias by channel, before opset 21 by group."""
    groups = node.integer("num_groups", 1)
    if scale.numel() == groups and groups != x.shape[1]:
        repeats = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(repeats), bias.repeat_interleave(repeats)
    return functional.group_norm(x, groups, scale, bias, node.number("epsilon", _EPSILON))


def rms_normalization(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    """RMSNormalization, over the axes from `axis` on."""
    axis = node.integer("axis", -1) % x.ndim
    precise = x.to(DTYPES[node.integer("stash_type", 1)]) if x.dtype in (torch.float16, torch.bfloat16) else x
    square = precise.square().mean(list(range(axis, x.ndim)), keepdim=True)
    return (precise * torch.rsqrt(square + node.number("epsilon", _EPSILON))).to(x.dtype) * scale


def local_response_normalization(node: Node, x: Tensor) -> Tensor:
    """LRN: x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta."""
    size = node.integer("size", 1)
    squares = functional.pad(x.square().reshape(x.shape[0], 1, x.shape[1], -1), (0, 0, (size - 1) // 2, size // 2))
    means = functional.avg_pool2d(squares, (size, 1), 1).reshape(x.shape)
    return x / (node.number("bias", 1.0) + node.number("alpha", 1e-4) * means).pow(node.number("beta", 0.75))


def mean_variance_normalization(node: Node, x: Tensor) -> Tensor:
    """MeanVarianceNormalization."""
    axes = [axis % x.ndim for axis in node.integers("axes") or (0, 2, 3)]
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (variance.sqrt() + 1e-9)


def lp_normalization(node: Node, x: Tensor) -> Tensor:
    """LpNormalization: zero where the norm is."""
    norm = torch.linalg.vector_norm(x, node.integer("p", 2), node.integer("axis", -1), keepdim=True)
    return torch.where(norm == 0, torch.zeros_like(x), x / torch.where(norm == 0, torch.ones_like(norm), norm))

"""Activations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from convprof.torch.node import Node


def relu(_: Node, x: Tensor) -> Tensor:
    """Relu."""
    return functional.relu(x)


def leaky_relu(node: Node, x: Tensor) -> Tensor:
    """LeakyRelu."""
    return functional.leaky_relu(x, node.number("alpha", 0.01))


def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    """PRelu; the slope spreads as ONNX lets it, torch knows one slope or one a channel."""
    slope = slope.to(x.dtype)
    if node.version < 7 and slope.ndim == 1:
        slope = slope.reshape(-1, *(1,) * (x.ndim - 2))
    by_channel = slope.ndim == x.ndim - 1 and slope.ndim > 0 and slope.numel() == slope.shape[0] == x.shape[1]
    if x.is_floating_point() and (by_channel or slope.numel() == 1):
        return functional.prelu(x, slope.flatten())
    return torch.where(x < 0, x * slope, x)


def elu(node: Node, x: Tensor) -> Tensor:
    """Elu."""
    return functional.elu(x, node.number("alpha", 1.0))


def selu(node: Node, x: Tensor) -> Tensor:
    """Selu."""
    alpha, gamma = node.number("alpha", 1.67326319217681884765625), node.number("gamma", 1.05070102214813232421875)
    return gamma * functional.elu(x, alpha)


def celu(node: Node, x: Tensor) -> Tensor:
    """Celu."""
    return functional.celu(x, node.number("alpha", 1.0))


def thresholded_relu(node: Node, x: Tensor) -> Tensor:
    """ThresholdedRelu."""
    return functional.threshold(x, node.number("alpha", 1.0), 0.0)


def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    """HardSigmoid."""
    return (x * node.number("alpha", 0.2) + node.number("beta", 0.5)).clamp(0.0, 1.0)


def hard_swish(_: Node, x: Tensor) -> Tensor:
    """HardSwish."""
    return functional.hardswish(x)


def mish(_: Node, x: Tensor) -> Tensor:
    """Mish."""
    return functional.mish(x)


def softplus(_: Node, x: Tensor) -> Tensor:
    """Softplus."""
    return functional.softplus(x)


def softsign(_: Node, x: Tensor) -> Tensor:
    """Softsign."""
    return functional.softsign(x)


def gelu(node: Node, x: Tensor) -> Tensor:
    """Gelu."""
    return functional.gelu(x, approximate=node.text("approximate", "none"))


def swish(node: Node, x: Tensor) -> Tensor:
    """Swish."""
    alpha = node.number("alpha", 1.0)
    return functional.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)


def shrink(node: Node, x: Tensor) -> Tensor:
    """Shrink."""
    limit, bias = node.number("lambd", 0.5), node.number("bias", 0.0)
    zero = torch.zeros_like(x)
    return torch.where(x < -limit, x + bias, torch.where(x > limit, x - bias, zero)).to(x.dtype)


def softmax(node: Node, x: Tensor) -> Tensor:
    """Softmax; before opset 13 over all axes from `axis` on together."""
    return _over(node, x, torch.softmax)


def log_softmax(node: Node, x: Tensor) -> Tensor:
    """LogSoftmax; axes as for Softmax."""
    return _over(node, x, torch.log_softmax)


def hardmax(node: Node, x: Tensor) -> Tensor:
    """Hardmax; axes as for Softmax. It has no gradient."""
    return _over(node, x, lambda y, axis: torch.zeros_like(y).scatter(axis, y.argmax(axis, keepdim=True), 1.0))


def _over(node: Node, x: Tensor, function: Callable[[Tensor, int], Tensor]) -> Tensor:
    if node.version >= 13:
        return function(x, node.integer("axis", -1))
    axis = node.integer("axis", 1) % max(x.ndim, 1)
    return function(x.flatten(axis), axis).reshape(x.shape)

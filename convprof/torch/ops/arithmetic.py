"""Arithmetic, comparisons and logic, element by element; operands spread as ONNX and torch both let them.

An operand may be a number (a constant of one element): it has the type of the other operand in ONNX, and takes it in
torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from convprof.torch.node import Kernel, Node
from convprof.torch.types import DTYPES

Operand = Tensor | float


def plain(function: Callable[..., Tensor]) -> Kernel:
    """The operator that is torch's function of the same operands."""

    def operator(_: Node, *operands: Operand) -> Tensor:
        return function(*operands)

    return operator


def logical(function: Callable[..., Tensor]) -> Kernel:
    """The operator that is torch's function of two tensors, which does not take numbers."""

    def operator(_: Node, a: Operand, b: Operand) -> Tensor:
        return function(*_tensors(a, b))

    return operator


def folded(function: Callable[[Tensor, Tensor], Tensor]) -> Kernel:
    """The operator of any number of operands that is torch's function of two, again and again."""

    def operator(_: Node, *operands: Operand) -> Tensor:
        result = reduce(lambda a, b: function(*_tensors(a, b)), operands)
        return result if isinstance(result, Tensor) else torch.as_tensor(result)

    return operator


def division(_: Node, a: Operand, b: Operand) -> Tensor:
    """Div: of integers, rounded towards zero."""
    if _is_floating(a, b):
        return torch.true_divide(*_tensors(a, b))
    return torch.div(*_tensors(a, b), rounding_mode="trunc")


def modulo(node: Node, a: Operand, b: Operand) -> Tensor:
    """Mod: the sign is the divisor's, with `fmod` the dividend's."""
    return (torch.fmod if node.integer("fmod", 0) else torch.remainder)(*_tensors(a, b))


def power(_: Node, a: Operand, b: Operand) -> Tensor:
    """Pow: of the type of its base."""
    if isinstance(a, Tensor):
        return torch.pow(a, b).to(a.dtype)
    return torch.pow(a, torch.as_tensor(b))


def mean(_: Node, *operands: Operand) -> Tensor:
    """Mean of the operands."""
    return reduce(lambda a, b: torch.add(*_tensors(a, b)), operands[1:], _tensors(operands[0], 0)[0]) / len(operands)


def clip(node: Node, x: Tensor, low: Operand | None = None, high: Operand | None = None) -> Tensor:
    """Clip; limits are attributes before opset 11. Where they cross, the upper one holds."""
    if node.version < 11:
        low, high = node.attributes.get("min"), node.attributes.get("max")
    if low is None and high is None:
        return x
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        least = x if low is None else torch.maximum(*_tensors(x, low))
        return least if high is None else torch.minimum(*_tensors(least, high))
    return torch.clamp(x, low, high)


def bit_shift(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """BitShift."""
    # Torch does not shift unsigned numbers of more than eight bits.
    wide, by = a.to(torch.int64), b.to(torch.int64)
    return (wide << by if node.text("direction", "LEFT") == "LEFT" else wide >> by).to(a.dtype)


def is_infinite(node: Node, x: Tensor) -> Tensor:
    """IsInf."""
    positive = torch.isposinf(x) if node.integer("detect_positive", 1) else torch.zeros_like(x, dtype=torch.bool)
    return positive | torch.isneginf(x) if node.integer("detect_negative", 1) else positive


def where(_: Node, condition: Tensor | bool, a: Operand, b: Operand) -> Tensor:
    """Where."""
    if not isinstance(condition, Tensor):
        like = a if isinstance(a, Tensor) else b
        condition = torch.tensor(condition, device=like.device if isinstance(like, Tensor) else None)
    return torch.where(condition, a, b)


def cast(node: Node, x: Tensor) -> Tensor:
    """Cast; to the model's own floating type means to the one that the module was moved to."""
    return x.to(node.floating(_dtype(node.integer("to", 1))))


def cast_like(_: Node, x: Tensor, like: Tensor) -> Tensor:
    """CastLike."""
    return x.to(like.dtype)


def identity(node: Node, x: Tensor, *_: object) -> Tensor | tuple[Tensor, Tensor]:
    """Identity and, in an inference graph, Dropout; its second output is a mask that keeps everything."""
    if node.wanted == 1:
        return x
    return x, torch.ones_like(x, dtype=torch.bool if node.version >= 10 else x.dtype)


def dropout(node: Node, x: Tensor, ratio: float = 0.5, training: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """Dropout: the identity, unless the graph itself says that it is training."""
    if not training or not ratio:
        return identity(node, x)
    kept = torch.rand_like(x) >= ratio
    y = torch.where(kept, x / (1 - ratio), torch.zeros_like(x))
    return (y, kept) if node.wanted > 1 else y


def _dtype(number: int) -> torch.dtype:
    if number not in DTYPES:
        raise ValueError(f"torch has no type for ONNX's type number {number}")
    return DTYPES[number]


def _tensors(a: Operand, b: Operand) -> tuple[Tensor, Tensor]:
    """Both as tensors: a number takes the type of the other, and its device."""
    if not isinstance(a, Tensor):
        like = b if isinstance(b, Tensor) else None
        a = torch.as_tensor(a) if like is None else like.new_full((), a)
    return a, b if isinstance(b, Tensor) else a.new_full((), b)


def _is_floating(*operands: Operand) -> bool:
    return any(each.is_floating_point() if isinstance(each, Tensor) else isinstance(each, float) for each in operands)

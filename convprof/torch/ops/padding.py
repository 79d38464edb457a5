"""Pad: constants, or values from inside, around a tensor."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from convprof.torch.node import Node
from convprof.torch.ops.convolution import around

_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def pad(
    node: Node,
    x: Tensor,
    pads: tuple[int, ...] | None = None,
    value: tuple[float, ...] | float | None = None,
    axes: tuple[int, ...] | None = None,
) -> Tensor:
    """Pad; pads and value are attributes before opset 11, negative pads cut."""
    pads = node.integers("pads") or () if pads is None else pads
    count = len(pads) // 2
    before, after = [0] * x.ndim, [0] * x.ndim
    for i, axis in enumerate(range(x.ndim) if axes is None else axes):
        before[axis], after[axis] = pads[i], pads[count + i]
    mode = node.text("mode", "constant")
    if mode == "constant":
        value = node.number("value", 0.0) if value is None else value[0] if isinstance(value, tuple) else value
        return functional.pad(x, around(before, after), value=value)
    if mode not in _MODES:
        raise ValueError(f"mode {mode!r} is not supported")
    moved = [axis for axis in range(x.ndim) if before[axis] or after[axis]]
    if _torch_can(mode, x, before, after):
        return functional.pad(x, around(before[2:], after[2:]), mode=_MODES[mode])
    for axis in moved:
        x = x.index_select(axis, _places(mode, x.shape[axis], before[axis], after[axis], x.device))
    return x


def _torch_can(mode: str, x: Tensor, before: list[int], after: list[int]) -> bool:
    """Torch pads axes behind the channels only, reflects and wraps once, and cuts nothing."""
    if not 3 <= x.ndim <= 5 or not x.is_floating_point() or any((*before[:2], *after[:2])):
        return False
    most = max(max(b, a) - n for b, a, n in zip(before, after, x.shape, strict=True))
    return min(*before, *after) >= 0 and (mode == "edge" or most < 0)


def _places(mode: str, size: int, before: int, after: int, device: torch.device) -> Tensor:
    """Where along an axis the elements of the padded axis come from."""
    places = torch.arange(-before, size + after, device=device)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return places.remainder(size)
    period = max(2 * (size - 1), 1)
    folded = places.remainder(period)
    return torch.minimum(folded, period - folded) if size > 1 else torch.zeros_like(places)

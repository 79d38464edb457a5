"""Windows that slide over spatial axes: how far the input is padded, and how many windows there are."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.torch.node import Node


@dataclass(frozen=True)
class Windows:
    """Kernel size, strides, dilations, pads before and after each spatial axis, and the number of windows."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    counts: tuple[int, ...]
    rounded_up: bool

    @property
    def span(self) -> tuple[int, ...]:
        """Elements from the start of the first window to the end of the last, along each axis."""
        axes = zip(self.counts, self.strides, self.dilations, self.kernel, strict=True)
        return tuple((count - 1) * stride + dilation * (kernel - 1) + 1 for count, stride, dilation, kernel in axes)


def windows(node: Node, sizes: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """The windows of a convolution or pooling over axes of these sizes. Raises ValueError where they do not fit."""
    one = (1,) * len(sizes)
    strides = node.integers("strides") or one
    dilations = node.integers("dilations") or one
    if not len(kernel) == len(strides) == len(dilations) == len(sizes) or min((*kernel, *strides, *dilations, 1)) < 1:
        raise ValueError(f"kernel_shape {kernel}, strides {strides} or dilations {dilations} do not fit {sizes}")
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    before, after = _pads(node, sizes, reach, strides)
    up = node.integer("ceil_mode", 0) and node.text("auto_pad", "NOTSET") in ("NOTSET", "")
    axes = zip(sizes, before, after, reach, strides, strict=True)
    counts = tuple(_count(*axis, up=bool(up)) for axis in axes)
    return Windows(kernel, strides, dilations, before, after, counts, bool(up))


def _pads(
    node: Node, sizes: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    axes, mode = len(sizes), node.text("auto_pad", "NOTSET")
    if mode == "VALID":
        return (0,) * axes, (0,) * axes
    if mode in ("NOTSET", ""):
        pads = node.integers("pads") or (0,) * (2 * axes)
        if len(pads) != 2 * axes:
            raise ValueError(f"pads {pads} do not fit {axes} axes")
        return pads[:axes], pads[axes:]
    total = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(sizes, strides, reach, strict=True)]
    small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def _count(size: int, before: int, after: int, reach: int, stride: int, *, up: bool) -> int:
    """Windows along an axis; rounded up, but none that would begin in the pads after it."""
    room = size + before + after - reach
    if not up:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + before else count

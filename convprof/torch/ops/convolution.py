"""Conv and ConvTranspose, over one to three axes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from convprof.torch.node import Node
from convprof.torch.ops.windows import windows

CONVS: tuple[Callable[..., Tensor], ...] = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED: tuple[Callable[..., Tensor], ...] = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)


def conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Conv."""
    _check_kernel(node, weight)
    where = windows(node, tuple(x.shape[2:]), tuple(weight.shape[2:]))
    padding = where.before
    if where.before != where.after:
        x, padding = functional.pad(x, around(where.before, where.after)), (0,) * len(padding)
    run = _over(CONVS, x)
    return run(x, weight, bias, where.strides, padding, where.dilations, node.integer("group", 1))


def conv_transpose(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """ConvTranspose: everything that the windows reach, then cut to the pads and lengthened by output_padding."""
    _check_kernel(node, weight)
    axes = x.ndim - 2
    strides = node.integers("strides") or (1,) * axes
    dilations = node.integers("dilations") or (1,) * axes
    extra = node.integers("output_padding") or (0,) * axes
    whole = tuple(
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(x.shape[2:], strides, dilations, weight.shape[2:], strict=True)
    )
    before, after = _cuts(node, tuple(x.shape[2:]), whole, extra)
    group, run = node.integer("group", 1), _over(_TRANSPOSED, x)
    if before == after and min(before) >= 0 and not any(extra):
        return run(x, weight, bias, strides, before, 0, group, dilations)
    made = run(x, weight, None, strides, 0, 0, group, dilations)
    cut = functional.pad(made, around([-b for b in before], [e - a for a, e in zip(after, extra, strict=True)]))
    return cut if bias is None else cut + bias.reshape(-1, *(1,) * axes)


def around(before: list[int] | tuple[int, ...], after: list[int] | tuple[int, ...]) -> list[int]:
    """Pads of the last axes as torch wants them: the last axis first, both ends together."""
    return [pad for pair in zip(reversed(before), reversed(after), strict=True) for pad in pair]


def _check_kernel(node: Node, weight: Tensor) -> None:
    """Raise ValueError for a kernel that runtimes refuse too, and torch does not or too late."""
    said, found = node.integers("kernel_shape"), tuple(weight.shape[2:])
    if not weight.numel() or (said or found) != found:
        raise ValueError(f"a kernel of shape {list(weight.shape)} for kernel_shape {said}")


def _over(kinds: tuple[Callable[..., Tensor], ...], x: Tensor) -> Callable[..., Tensor]:
    if not 3 <= x.ndim <= 2 + len(kinds):
        raise ValueError(f"{x.ndim - 2} spatial axes are not supported")
    return kinds[x.ndim - 3]


def _cuts(
    node: Node, sizes: tuple[int, ...], whole: tuple[int, ...], extra: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How much of each axis is cut off before and after, by ONNX's rules for output_shape and auto_pad."""
    axes, mode = len(sizes), node.text("auto_pad", "NOTSET")
    wanted = node.integers("output_shape")
    if wanted is None and mode in ("SAME_UPPER", "SAME_LOWER"):
        strides = node.integers("strides") or (1,) * axes
        wanted = tuple(n * s for n, s in zip(sizes, strides, strict=True))
    if wanted is None:
        pads = (node.integers("pads") if mode in ("NOTSET", "") else None) or (0,) * (2 * axes)
        return pads[:axes], pads[axes:]
    total = [w + e - out for w, e, out in zip(whole, extra, wanted[-axes:], strict=True)]
    total = [max(t, 0) if mode in ("SAME_UPPER", "SAME_LOWER") else t for t in total]
    small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    return (small, large) if mode == "SAME_UPPER" else (large, small)

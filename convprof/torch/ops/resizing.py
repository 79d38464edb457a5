"""Resize and Upsample: one axis after another, each output element a weighted sum of input elements.

    y[i] = sum_t w_t(c_i) x[floor(c_i) + t],   c_i = place of output i in the input

with one tap (nearest), two (linear) or four (cubic), more where `antialias` stretches the filter. Where torch's
`interpolate` computes the same, it is used: its gradient is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional

from convprof.torch.node import Node

Numbers = tuple[float, ...]
_FLAT: Mapping[int, str] = {3: "linear", 4: "bilinear", 5: "trilinear"}


@dataclass(frozen=True)
class _Axis:
    """How one axis is resized: its number, sizes before and after, the scale, and the region for tf_crop_and_resize."""

    number: int
    size: int
    wanted: int
    scale: float
    start: float
    end: float


def upsample(node: Node, x: Tensor, scales: Numbers | None = None) -> Tensor:
    """Upsample: Resize with asymmetric coordinates, nearest rounding down."""
    scales = tuple(node.attributes.get("scales", ())) if scales is None else scales
    axes = [_Axis(i, n, int(n * s), s, 0.0, 1.0) for i, (n, s) in enumerate(zip(x.shape, scales, strict=True))]
    changed = [axis for axis in axes if axis.scale != 1]
    if node.text("mode", "nearest") == "nearest":
        return _each(x, changed, lambda y, axis: _nearest(y, axis, "asymmetric", "floor"))
    return _each(x, changed, lambda y, axis: _weighted(y, axis, node, "asymmetric"))


def resize(
    node: Node,
    x: Tensor,
    roi: Numbers | None = None,
    scales: Numbers | None = None,
    sizes: tuple[int, ...] | None = None,
) -> Tensor:
    """Resize."""
    if node.version < 11:
        return upsample(node, x, roi)
    axes = _axes(node, x, roi, scales or None, sizes or None)
    place = node.text("coordinate_transformation_mode", "half_pixel")
    mode = node.text("mode", "nearest")
    changed = [axis for axis in axes if axis.size != axis.wanted or axis.scale != 1 or place == "tf_crop_and_resize"]
    fast = _interpolated(node, x, changed, place, mode)
    if fast is not None:
        return fast
    if mode == "nearest":
        rounding = node.text("nearest_mode", "round_prefer_floor")
        return _each(x, changed, lambda y, axis: _nearest(y, axis, place, rounding, node))
    return _each(x, changed, lambda y, axis: _weighted(y, axis, node, place))


def _each(x: Tensor, axes: Sequence[_Axis], one: Callable[[Tensor, _Axis], Tensor]) -> Tensor:
    for axis in axes:
        x = one(x, axis)
    return x


def _axes(
    node: Node, x: Tensor, roi: Numbers | None, scales: Numbers | None, sizes: tuple[int, ...] | None
) -> list[_Axis]:
    """The axes that are named, with the sizes that scales or `keep_aspect_ratio_policy` lead to."""
    numbers = [axis % x.ndim for axis in node.integers("axes") or range(x.ndim)]
    before = [x.shape[number] for number in numbers]
    region = roi if roi and len(roi) == 2 * len(numbers) else (0.0,) * len(numbers) + (1.0,) * len(numbers)
    starts, ends = region[: len(numbers)], region[len(numbers) :]
    if sizes is None:
        factors = list(scales or ())
        # ONNX would take the region off the size as well; ONNX Runtime does not.
        after = [int(n * factor) for n, factor in zip(before, factors, strict=True)]
    else:
        factors, after = _by_sizes(node, before, sizes)
    return [_Axis(*each) for each in zip(numbers, before, after, factors, starts, ends, strict=True)]


def _by_sizes(node: Node, before: Sequence[int], sizes: tuple[int, ...]) -> tuple[list[float], list[int]]:
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    factors = [size / n for size, n in zip(sizes, before, strict=True)]
    if policy == "stretch":
        return factors, list(sizes)
    scale = min(factors) if policy == "not_larger" else max(factors)
    return [scale] * len(sizes), [int(n * scale + 0.5) for n in before]


def _interpolated(node: Node, x: Tensor, axes: Sequence[_Axis], place: str, mode: str) -> Tensor | None:
    """What torch's own interpolation makes of it, or None where that is something else."""
    spatial = list(range(2, x.ndim))
    if not axes:
        return x
    if x.ndim not in _FLAT or any(axis.number < 2 for axis in axes) or not x.is_floating_point():
        return None
    if node.integer("antialias", 0):
        return None
    by_number = {axis.number: axis for axis in axes}
    wanted = [by_number[i].wanted if i in by_number else x.shape[i] for i in spatial]
    whole = all(axis.wanted == axis.size * axis.scale for axis in axes)
    if mode == "nearest":
        integral = all(axis.wanted % axis.size == 0 for axis in axes)
        steady = place == "asymmetric" and node.text("nearest_mode", "") == "floor"
        rounded = node.text("nearest_mode", "round_prefer_floor").startswith("round")
        centred = place in ("half_pixel", "pytorch_half_pixel") and rounded and min(wanted) > 1
        return functional.interpolate(x, wanted, mode="nearest") if whole and integral and (steady or centred) else None
    if mode == "linear" and (place == "align_corners" or (whole and place == "half_pixel")):
        return functional.interpolate(x, wanted, mode=_FLAT[x.ndim], align_corners=place == "align_corners")
    return None


def _coordinates(axis: _Axis, place: str, x: Tensor) -> Tensor:
    """Where each output element lies on the input's axis."""
    i = torch.arange(axis.wanted, dtype=torch.float32, device=x.device)
    if place == "align_corners":
        return i * ((axis.size - 1) / (axis.wanted - 1)) if axis.wanted > 1 else i * 0
    if place == "asymmetric":
        return i / axis.scale
    if place == "tf_crop_and_resize":
        last = axis.size - 1
        if axis.wanted > 1:
            return axis.start * last + i * ((axis.end - axis.start) * last / (axis.wanted - 1))
        return i * 0 + 0.5 * (axis.start + axis.end) * last
    if place == "pytorch_half_pixel" and axis.wanted == 1:
        return i * 0
    if place in ("half_pixel", "pytorch_half_pixel"):
        return (i + 0.5) / axis.scale - 0.5
    if place == "half_pixel_symmetric":
        return axis.size / 2 * (1 - axis.wanted / (axis.scale * axis.size)) + (i + 0.5) / axis.scale - 0.5
    if place == "tf_half_pixel_for_nn":
        return (i + 0.5) / axis.scale
    raise ValueError(f"coordinate_transformation_mode {place!r} is not supported")


def _nearest(x: Tensor, axis: _Axis, place: str, rounding: str, node: Node | None = None) -> Tensor:
    at = _coordinates(axis, place, x)
    if rounding == "floor":
        near = at.floor()
    elif rounding == "ceil":
        near = at.ceil()
    elif rounding == "round_prefer_ceil":
        near = (at + 0.5).floor()
    else:
        near = (at - 0.5).ceil()
    made = x.index_select(axis.number, near.long().clamp(0, axis.size - 1))
    return _extrapolated(made, axis, at, place, node)


def _weighted(x: Tensor, axis: _Axis, node: Node, place: str) -> Tensor:
    """Linear or cubic."""
    at = _coordinates(axis, place, x)
    cubic = node.text("mode", "linear") == "cubic"
    stretch = max(1.0, 1 / axis.scale) if node.integer("antialias", 0) else 1.0
    reach = ceil((2 if cubic else 1) * stretch)
    first = at.floor()
    total: Tensor | None = None
    made: Tensor | None = None
    for tap in range(1 - reach, reach + 1):
        spot = first + tap
        away = ((spot - at) / stretch).abs()
        weight = _cubic(away, node.number("cubic_coeff_a", -0.75)) if cubic else (1 - away).clamp(min=0)
        if node.integer("exclude_outside", 0):
            weight = torch.where((spot < 0) | (spot >= axis.size), torch.zeros_like(weight), weight)
        part = x.index_select(axis.number, spot.long().clamp(0, axis.size - 1)) * _along(weight, axis, x)
        made = part if made is None else made + part
        total = weight if total is None else total + weight
    assert made is not None
    assert total is not None
    return _extrapolated(made / _along(total, axis, x), axis, at, place, node)


def _cubic(away: Tensor, a: float) -> Tensor:
    near = ((a + 2) * away - (a + 3)) * away * away + 1
    far = ((away - 5) * away + 8) * away * a - 4 * a
    return torch.where(away <= 1, near, torch.where(away < 2, far, torch.zeros_like(away)))


def _along(weight: Tensor, axis: _Axis, x: Tensor) -> Tensor:
    return weight.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1 - axis.number))


def _extrapolated(made: Tensor, axis: _Axis, at: Tensor, place: str, node: Node | None) -> Tensor:
    """With tf_crop_and_resize, what lies outside of the input has a value of its own."""
    if place != "tf_crop_and_resize" or node is None:
        return made
    outside = ((at < 0) | (at > axis.size - 1)).reshape(-1, *(1,) * (made.ndim - 1 - axis.number))
    return torch.where(outside, made.new_full((), node.number("extrapolation_value", 0.0)), made)

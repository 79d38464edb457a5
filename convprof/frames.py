"""Which output is a picture of which input, told from types and shapes alone, and which part of it to show.

With an input of H x W pixels an output is a picture where it has s H x s W of them but for a border, for a whole s. One
or three channels are grey or colours. Classes are whole numbers without channels, or the largest of two, four or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

_SMALLEST = 8  # pixels of a side, below which nothing can be seen
_LARGEST_SCALE = 8
_BORDER = 0.25  # of the input's side, that an output may be larger or smaller
COLOURS = 3
"""Channels of an input that are looked at: a fourth is no colour."""


@dataclass(frozen=True)
class Frame:
    """The names of an input and of the output that is a picture of it; axes are those of the channels, samples on 0.

    An `axis` of None is an output without channels.
    """

    input: str
    output: str
    kind: Literal["values", "classes"]
    input_axis: int
    axis: int | None
    scale: int

    def fed(self, feeds: Mapping[str, Values], at: int) -> Values:
        """What sample `at` was fed with, (h, w, channels)."""
        return _channels_last(feeds[self.input][at], self.input_axis)[..., :COLOURS]

    def values(self, values: Values, at: int) -> Values:
        """What the output holds for sample `at`, (H, W, channels): float32 or, where that would change it, float64."""
        found = _channels_last(values[at], self.axis)
        return found.astype(np.result_type(found, np.float32), copy=False)

    def classes(self, values: Values) -> NDArray[np.int64]:
        """The class of each pixel, (n, H, W), from the whole output."""
        if self.axis is None or values.shape[self.axis] == 1:
            shape = [size for at, size in enumerate(values.shape) if at != self.axis]
            return values.reshape(shape).astype(np.int64)
        return np.asarray(values.argmax(axis=self.axis), dtype=np.int64)


@dataclass(frozen=True)
class Window:
    """A part of an output, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The part of an output (H, W, ...)."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def of_input(self, picture: NDArray[Any], size: tuple[int, int], scale: int) -> NDArray[Any]:
        """The part of an input (h, w, ...) that the output of `size` shows here; borders are alike on both sides."""
        rows, columns = (
            _span(start, length, output, whole, scale)
            for start, length, output, whole in zip(
                (self.top, self.left), (self.height, self.width), size, picture.shape[:2], strict=True
            )
        )
        return picture[rows, columns]


def find(feeds: Mapping[str, Values], outputs: Mapping[str, Values]) -> Frame | None:
    """The first output that is a picture of an input, samples on axis 0 of all; None where none is."""
    for output, values in outputs.items():
        for name, fed in feeds.items():
            for input_axis in _input_axes(fed):
                for axis in _output_axes(values):
                    scale = _scale(_size(fed, input_axis), _size(values, axis))
                    kind = None if scale is None else _kind(values, axis)
                    if scale is not None and kind is not None:
                        return Frame(name, output, kind, input_axis, axis, scale)
    return None


def windows(difference: Values, sides: Sequence[int], scale: int) -> tuple[Window, ...]:
    """For each of `sides` the part of at most so many pixels a side with the largest sum of squares.

    `difference` is (H, W); what is not finite counts as none. Parts begin with a whole pixel of the input.
    """
    known = np.where(np.isfinite(difference), difference, 0)
    known /= max(float(np.abs(known).max()), float(np.finfo(known.dtype).tiny))  # so that squares cannot overflow
    sums = np.zeros((known.shape[0] + 1, known.shape[1] + 1))
    np.square(known, out=sums[1:, 1:])
    sums.cumsum(axis=0, out=sums).cumsum(axis=1, out=sums)
    return tuple(_largest(sums, side, scale) for side in sides)


def _largest(sums: Values, side: int, scale: int) -> Window:
    """The part with the largest sum, from the `sums` (H + 1, W + 1) of all that lies above and to the left."""
    height, width = (min(side, each - 1) for each in sums.shape)
    (above, below), (left, right) = (
        (slice(None, size - length, scale), slice(length, None, scale))
        for size, length in zip(sums.shape, (height, width), strict=True)
    )
    boxes = sums[below, right] - sums[above, right] - sums[below, left] + sums[above, left]
    first = np.unravel_index(int(boxes.argmax()), boxes.shape)
    return Window(int(first[0]) * scale, int(first[1]) * scale, height, width)


def _span(start: int, length: int, output: int, whole: int, scale: int) -> slice:
    border = whole * scale - output
    first = max(0, (start + border // 2) // scale)
    return slice(first, min(whole, first + max(1, length // scale)))


def _channels_last(values: Values, axis: int | None) -> Values:
    """One sample of an array whose channels are on `axis`, as (h, w, channels)."""
    return values[..., None] if axis is None else np.moveaxis(values, axis - 1, -1)


def _input_axes(fed: Values) -> tuple[int, ...]:
    return tuple(axis for axis in (1, 3) if fed.ndim == 4 and fed.shape[axis] in (1, COLOURS, 4))


def _output_axes(values: Values) -> tuple[int | None, ...]:
    if values.ndim == 3:
        return (None,)
    return (1, 3) if values.ndim == 4 else ()


def _kind(values: Values, axis: int | None) -> Literal["values", "classes"] | None:
    channels = None if axis is None else values.shape[axis]
    if values.dtype.kind not in "biuf":
        return None
    whole = values.dtype.kind in "bi" or values.dtype in (np.uint16, np.uint32, np.uint64)
    if channels is None:
        return "classes" if whole else None
    if channels == 1:
        return "classes" if whole else "values"
    return "values" if channels == COLOURS else "classes"


def _size(values: Values, axis: int | None) -> tuple[int, int]:
    """Height and width."""
    sizes = [size for at, size in enumerate(values.shape) if at not in (0, axis)]
    return sizes[0], sizes[1]


def _scale(fed: tuple[int, int], made: tuple[int, int]) -> int | None:
    """How many times the output is as large as the input on both sides; None where it is no picture of it."""
    if min(made) < _SMALLEST or min(fed) < 1:
        return None
    scale = max(1, round(made[0] / fed[0]))
    fits = all(abs(b - scale * a) <= _BORDER * scale * a for a, b in zip(fed, made, strict=True))
    return scale if fits and scale <= _LARGEST_SCALE else None

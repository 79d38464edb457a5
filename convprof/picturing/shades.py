"""Values and classes to pixels that can be seen, in colours that the colour-blind can tell apart.

Classes have the colours of Okabe and Ito (Color Universal Design, 2008). Differences go from blue over white to orange,
two colours that remain apart whichever cone is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convprof import png
from convprof.records.pictures import Span

Array = NDArray[np.float64]
Classes = NDArray[np.int64]

CLASS_COLOURS = np.array(
    [
        (86, 180, 233),
        (230, 159, 0),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
        (0, 0, 0),
        (170, 170, 170),
    ],
    np.uint8,
)
"""Of the most frequent class first; the last one, grey, is for all that have none of their own."""

_BLUE, _WHITE, _ORANGE = (0, 114, 178), (255, 255, 255), (213, 94, 0)
_MIDDLE = 127
_CHANGED = np.array([(236, 236, 236), _ORANGE], np.uint8)
_USUAL = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
_OUTSIDE, _FILLED = 0.1, 0.25
_AMPLIFICATIONS = (1000, 500, 200, 100, 50, 20, 10, 5, 2)
_REACHED = 99.5  # percent of the differences that stay below full colour


@dataclass(frozen=True)
class Range:
    """Where black and white are, (channels,) each; `blue_first` tells that channels come in that order."""

    span: Span
    black: Array
    white: Array
    blue_first: bool = False

    def shares(self, values: Array) -> Array:
        """Values (..., channels) as shares of the way from black to white."""
        return (values - self.black) / (self.white - self.black)

    def pixels(self, values: Array) -> png.Pixels:
        """Values (h, w, channels) as grey or red, green and blue; what is beyond black and white stays there."""
        shares = np.nan_to_num(self.shares(values), nan=0.0)
        seen = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
        if seen.shape[-1] != 3:
            return np.ascontiguousarray(seen[..., 0])
        return np.ascontiguousarray(seen[..., ::-1] if self.blue_first else seen)


def range_of(pictures: Sequence[Array], known: Range | None) -> Range:
    """What to show pictures (h, w, channels) by.

    The `known` range (of the input) or a usual one where the values lie in it and fill a good part, else their own
    ends.
    """
    channels = pictures[0].shape[-1]
    finite = np.concatenate([picture.reshape(-1, channels) for picture in pictures])
    finite = finite[np.isfinite(finite).all(axis=1)]
    if not len(finite):
        finite = np.array([[0.0], [1.0]]) * np.ones(channels)
    usual = [Range("usual", np.full(channels, low), np.full(channels, high)) for low, high in _USUAL]
    ranges = usual if known is None or len(known.black) != channels else [known, *usual]
    for each in ranges:
        low, high = np.percentile(each.shares(finite), (0.5, 99.5))
        if low >= -_OUTSIDE and high <= 1 + _OUTSIDE and high - low >= _FILLED:
            return each
    low, high = float(finite.min()), float(finite.max())
    return Range("stretched", np.full(channels, low), np.full(channels, high if high > low else low + 1.0))


def difference(before: Array, after: Array, shown: Range) -> Array:
    """What `after` is beyond `before` in shares of the range, (h, w): of the channel in which that is largest."""
    with np.errstate(invalid="ignore"):  # infinity less infinity is no number, and is shown as such
        apart = shown.shares(after) - shown.shares(before)
    channel = np.abs(np.nan_to_num(apart, nan=np.inf)).argmax(axis=-1)
    return np.asarray(np.take_along_axis(apart, channel[..., None], axis=-1)[..., 0])


def amplification(differences: Sequence[Array]) -> int:
    """The largest round factor that leaves nearly all differences, shares of the range, below 1."""
    found = np.concatenate([np.abs(each[np.isfinite(each)]) for each in differences])
    reach = float(np.percentile(found, _REACHED)) if len(found) else 0.0
    return next((factor for factor in _AMPLIFICATIONS if factor * reach <= 1), 1)


def difference_file(found: Array, amplified: int) -> bytes:
    """A difference (h, w), in shares, as a file: full colour at 1 / `amplified`; what is not a number is black."""
    shares = np.clip(np.nan_to_num(found * amplified), -1, 1)
    places = np.rint(_MIDDLE + _MIDDLE * shares).astype(np.uint8)
    places[~np.isfinite(found)] = 255
    return png.encode(places, _diverging())


def class_file(classes: Classes, known: Sequence[int]) -> bytes:
    """Classes (h, w) as a file, each in the colour of its place in `known`."""
    places = np.full(classes.shape, len(CLASS_COLOURS) - 1, np.uint8)
    for place, number in enumerate(known):
        places[classes == number] = place
    return png.encode(places, CLASS_COLOURS)


def changed_file(changed: NDArray[np.bool_]) -> bytes:
    """Where the class is another, (h, w), as a file: orange on grey."""
    return png.encode(changed.astype(np.uint8), _CHANGED)


def frequent(maps: Sequence[Classes]) -> tuple[int, ...]:
    """The classes that have a colour of their own, the most frequent first."""
    numbers, counts = np.unique(np.concatenate([each.ravel() for each in maps]), return_counts=True)
    order = np.argsort(-counts, kind="stable")[: len(CLASS_COLOURS) - 1]
    return tuple(int(number) for number in numbers[order])


def _diverging() -> png.Pixels:
    """Blue at 0, white in the middle, orange at twice that; the one place beyond is black."""
    ways = np.abs(np.linspace(-1, 1, 2 * _MIDDLE + 1))[:, None]
    ends = np.where(np.arange(2 * _MIDDLE + 1)[:, None] < _MIDDLE, _BLUE, _ORANGE)
    colours = np.rint(np.array(_WHITE) * (1 - ways) + ends * ways)
    return np.vstack([colours, np.zeros((1, 3))]).astype(np.uint8)

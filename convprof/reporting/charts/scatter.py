"""What a chart of points over two axes is made of, and where its labels find room.

As in `marks`, x is percent of the plot and y is px, and all text stands beside the drawing in its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from convprof.reporting.charts.marks import Dot, Key, Stroke, Tick

HEIGHT = 300
_LINE = 16  # px of a line of text
_AWAY = (26, 42, 58)  # px from a point to the top of a label above it, the nearest first
_LETTER = 2.4  # percent of the narrowest plot, on a phone


@dataclass(frozen=True)
class Level:
    """A place on the vertical axis, in px from the top, and its label."""

    y: float
    label: str


@dataclass(frozen=True)
class Spot:
    """A point, what it says when asked, and whether a ring makes it stand out."""

    dot: Dot
    words: str
    ringed: bool = False


@dataclass(frozen=True)
class Wanted:
    """A label and the place that it belongs to."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Label:
    """Text with its top at `y` that begins, ends or has its middle at `x`."""

    text: str
    x: float
    y: float
    side: Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scatter:
    """Points over two axes. `reading` tells how to read it, `note` what is not in it."""

    title: str
    reading: str
    x_axis: str
    y_axis: str
    ticks: tuple[Tick, ...]
    levels: tuple[Level, ...]
    keys: tuple[Key, ...]
    strokes: tuple[Stroke, ...]
    spots: tuple[Spot, ...]
    labels: tuple[Label, ...]
    height: int = HEIGHT
    note: str = ""


def placed(wanted: Sequence[Wanted], dots: Sequence[Dot], height: int = HEIGHT) -> tuple[Label, ...]:
    """Labels above or below their places, where on a phone they cover neither a dot nor each other.

    Where there is no such room a label stands right above, or below at the upper edge.
    """
    boxes: list[_Box] = []
    found: list[Label] = []
    for each in wanted:
        width = _LETTER * len(each.text)
        left = min(max(0.0, each.x - width / 2), max(0.0, 100 - width))
        tops = [top for away in _AWAY for top in (each.y - away, each.y + away - _LINE)]
        inside = [top for top in tops if 0 <= top <= height - _LINE] or tops
        places = [_Box(left, left + width, top, top + _LINE) for top in inside]
        free = [box for box in places if not any(box.meets(other) for other in boxes) and not box.covers(dots)]
        box = (free or places)[0]
        boxes.append(box)
        found.append(_label(each, box))
    return tuple(found)


@dataclass(frozen=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        aside = self.right <= other.left or other.right <= self.left
        return not (aside or self.bottom <= other.top or other.bottom <= self.top)

    def covers(self, dots: Sequence[Dot]) -> bool:
        return any(
            self.left <= dot.x <= self.right and self.top < dot.y + dot.radius and dot.y - dot.radius < self.bottom
            for dot in dots
        )


def _label(wanted: Wanted, box: _Box) -> Label:
    """At the edges a label begins or ends with its box, so that it stays inside however wide the plot is."""
    half = (box.right - box.left) / 2
    if wanted.x < half:
        return Label(wanted.text, 0.0, box.top, "start")
    if wanted.x > 100 - half:
        return Label(wanted.text, 100.0, box.top, "end")
    return Label(wanted.text, wanted.x, box.top, "middle")

"""What a chart is made of.

Widths are percent of the plot, so that one drawing fits a phone and a desk; text is not in the drawing but beside it,
in its own size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["before", "after", "weights", "quiet", "limit"]
"""What a mark stands for; the stylesheet gives each tone its colour in light, dark and print."""


@dataclass(frozen=True)
class Bar:
    """A rectangle: x and width in percent, y and height in px."""

    x: float
    y: float
    width: float
    height: float
    tone: Tone


@dataclass(frozen=True)
class Dot:
    """A circle: x in percent, y and radius in px; a hollow one is not filled."""

    x: float
    y: float
    radius: float
    tone: Tone
    hollow: bool = False


@dataclass(frozen=True)
class Stroke:
    """A straight line: x in percent, y in px."""

    x1: float
    y1: float
    x2: float
    y2: float
    tone: Tone


@dataclass(frozen=True)
class Row:
    """A name, what is drawn for it, and the values in words; a muted row is one where nothing changed."""

    name: str
    bars: tuple[Bar, ...]
    strokes: tuple[Stroke, ...]
    dots: tuple[Dot, ...]
    value: str
    muted: bool = False


@dataclass(frozen=True)
class Tick:
    """A place on the axis and its label."""

    x: float
    label: str


@dataclass(frozen=True)
class Key:
    """One entry of the legend."""

    tone: Tone
    label: str
    hollow: bool = False


@dataclass(frozen=True)
class Chart:
    """Rows that share one axis. `reading` tells how to read it, `note` what is not in it."""

    title: str
    reading: str
    axis: str
    ticks: tuple[Tick, ...]
    keys: tuple[Key, ...]
    rows: tuple[Row, ...]
    row_height: int
    note: str = ""

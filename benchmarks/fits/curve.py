"""One picture: scores against a number that doubles, as SVG that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log2

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 360, 56, 96, 16, 48
_ROOM = 28
_COLOURS = ("#1f5fa8", "#b3541e", "#3b7d3b")

Points = Sequence[tuple[int, float]]


def draw(series: Mapping[str, Points], level: tuple[str, float], x_label: str, y_label: str) -> str:
    """Lines through the points of each series, and a dashed line at a level that all are to be compared with."""
    points = [point for each in series.values() for point in each]
    frame = _Frame(points, level[1])
    parts = [frame.axes(x_label, y_label), frame.level(*level)]
    parts += [frame.line(name, each, _COLOURS[n % len(_COLOURS)]) for n, (name, each) in enumerate(series.items())]
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
    return "\n".join([head, ground, *parts, "</svg>", ""])


class _Frame:
    """Where a number lies in the picture."""

    def __init__(self, points: Points, level: float) -> None:
        self._numbers = sorted({x for x, _ in points})
        low, high = min(y for _, y in points), max(level, *(y for _, y in points))
        step = 10 if high - low > 25 else 5 if high - low > 10 else 1
        self._ticks = range(floor(low / step) * step, ceil(high / step) * step + 1, step)

    def x(self, number: float) -> float:
        """Even steps for doublings."""
        low, high = log2(self._numbers[0]), log2(self._numbers[-1])
        share = (log2(number) - low) / (high - low) if high > low else 0.5
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, score: float) -> float:
        """Upwards."""
        low, high = self._ticks[0], max(self._ticks[-1], self._ticks[0] + 1)
        return round(_HEIGHT - _BOTTOM - (score - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    def axes(self, x_label: str, y_label: str) -> str:
        """Lines and numbers, and what they count."""
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        grid = [f'<path d="M{_LEFT} {self.y(tick)}H{right}" stroke="#ddd"/>' for tick in self._ticks]
        sides = [_text(_LEFT - 8, self.y(tick) + 4, str(tick), "end") for tick in self._ticks]
        feet = [_text(self.x(number), bottom + 18, f"{number:,}", "middle") for number in self._named()]
        names = [_text((_LEFT + right) / 2, _HEIGHT - 8, x_label, "middle")]
        names.append(
            f'<g transform="translate(14 {(_TOP + bottom) / 2}) rotate(-90)">{_text(0, 0, y_label, "middle")}</g>'
        )
        return "\n".join([*grid, *sides, *feet, *names])

    def _named(self) -> list[int]:
        """The numbers that have room for themselves."""
        named = self._numbers[:1]
        for number in self._numbers[1:]:
            if self.x(number) - self.x(named[-1]) >= _ROOM:
                named.append(number)
        return named

    def level(self, name: str, score: float) -> str:
        """The dashed line, named at its beginning, for lines of series are named at their ends."""
        path = f'<path d="M{_LEFT} {self.y(score)}H{_WIDTH - _RIGHT}" stroke="#555" stroke-dasharray="5 4"/>'
        return path + _text(_LEFT + 6, round(self.y(score) - 5, 1), name, "start")

    def line(self, name: str, points: Points, colour: str) -> str:
        """One series, named at its end."""
        at = [(self.x(number), self.y(score)) for number, score in points]
        path = "M" + "L".join(f"{x} {y}" for x, y in at)
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in at)
        drawn = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
        return drawn + _text(at[-1][0] + 8, at[-1][1] + 4, name, "start", colour)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'

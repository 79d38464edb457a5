"""An activation as a table: whatever the graph computes element by element, without knowing its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from convprof.moments import Floats

_POINTS = 1024
_FAR = 1e3
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Curve:
    """The value `values` (G, N) of each of N channels at `points` (G,), ascending; straight lines in between."""

    points: Floats
    values: Floats

    def __call__(self, at: Floats) -> Floats:
        """The activation of `at` (n, N)."""
        if self.passed is not None:
            return np.clip(at, *self.passed)
        return _looked_up(at, self.points, self.values)

    def slope(self, at: Floats) -> Floats:
        """How steep the activation is at `at` (n, N)."""
        if self.passed is not None:
            low, high = self.passed
            inside: Floats = ((at > low) & (at < high)).astype(np.float32)
            return inside
        return _looked_up(at, self.points, self._slopes)

    @cached_property
    def steepest(self) -> Floats:
        """The steepest slope of each channel, (N,), 1 where it has none."""
        most = np.abs(self._slopes).max(axis=0)
        return np.where(most > 0, most, np.float32(1))

    @property
    def bends(self) -> bool:
        """Whether it is more than a straight line."""
        spread = np.ptp(self._slopes, axis=0).max(initial=0.0)
        return bool(spread > _TOLERANCE * self.steepest.max(initial=0.0))

    @cached_property
    def passed(self) -> tuple[float, float] | None:
        """(low, high) of an activation that only cuts off, as ReLU and Clip do, else None."""
        low, high = float(self.values.min()), float(self.values.max())
        cut = np.clip(self.points, low, high)[:, None]
        if low >= high or np.abs(self.values - cut).max() > 1e-6 * max(abs(low), abs(high)):
            return None
        return (low if self.points[0] < low else -inf), (high if self.points[-1] > high else inf)

    @cached_property
    def _slopes(self) -> Floats:
        steps = np.diff(self.values, axis=0) / np.diff(self.points)[:, None]
        slopes: Floats = np.concatenate([steps[:1], (steps[:-1] + steps[1:]) / 2, steps[-1:]])
        return slopes


def grid(totals: Floats) -> Floats:
    """Points (G,) at which to ask for an activation of `totals`: their range and half of it to either side, and 0."""
    low, high = float(totals.min()), float(totals.max())
    room = max((high - low) / 2, 1e-3)
    points: Floats = np.union1d(np.linspace(low - room, high + room, _POINTS), [0.0]).astype(np.float32)
    return points


def curve(points: NDArray[np.floating], values: NDArray[np.floating]) -> Curve | None:
    """The activation with `values` (G, N) at `points` (G,), carried on straight; None for no more than a line."""
    x, y = points.astype(np.float64), values.astype(np.float64)
    if not np.isfinite(y).all():
        return None
    reach = _FAR * (x[-1] - x[0])
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    x = np.concatenate([[x[0] - reach], x, [x[-1] + reach]])
    y = np.concatenate([[y[0] - reach * first], y, [y[-1] + reach * last]])
    made = Curve(x.astype(np.float32), y.astype(np.float32))
    return made if made.bends else None


def _looked_up(at: Floats, points: Floats, table: Floats) -> Floats:
    if (table == table[:, :1]).all():
        return np.interp(at, points, table[:, 0]).astype(np.float32)
    columns = [np.interp(at[:, n], points, table[:, n]) for n in range(table.shape[1])]
    return np.stack(columns, axis=1).astype(np.float32)

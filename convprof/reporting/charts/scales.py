"""Values to places on an axis from 0 to 100 percent, and ticks at round numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from convprof.reporting.charts.marks import Tick

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_INTERVALS = 4.5


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis from `low` to `high`; what lies outside sits at its ends."""

    low: float
    high: float
    logarithmic: bool
    stops: tuple[float, ...]

    def at(self, value: float) -> float:
        """Percent of the width; for a logarithmic axis zero sits at the low end."""
        if self.logarithmic:
            share = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 3)

    def ticks(self, label: Callable[[float], str]) -> tuple[Tick, ...]:
        """A tick at each stop."""
        return tuple(Tick(self.at(stop), label(stop)) for stop in self.stops)


def from_zero(values: list[float]) -> Scale:
    """A linear axis from zero to the largest value: lengths of bars compare only from zero."""
    highest = max((value for value in values if isfinite(value)), default=0.0)
    return _linear(0.0, highest if highest > 0 else 1.0)


def around(low: float, high: float) -> Scale:
    """A linear axis that just holds two values; from zero where that costs little."""
    if high <= low:
        low, high = low - abs(low) * 0.05 - 1e-9, high + abs(high) * 0.05 + 1e-9
    margin = 0.04 * (high - low)
    return _linear(0.0 if 0 <= low < 0.5 * high else low - margin, high + margin)


def decades(values: list[float]) -> Scale:
    """A logarithmic axis around the positive values that holds at least two powers of ten."""
    positive = [value for value in values if isfinite(value) and value > 0] or [0.001, 1.0]
    low, high = log10(min(positive)) - 0.1, log10(max(positive)) + 0.1
    if floor(high) - ceil(low) < 1:
        low, high = min(low, floor(low + 0.1)), max(high, floor(low + 0.1) + 1)
    first, last = ceil(low), floor(high)
    step = max(1, ceil((last - first) / 5))
    return Scale(10.0**low, 10.0**high, True, tuple(10.0**power for power in range(first, last + 1, step)))


def _linear(low: float, high: float) -> Scale:
    size = (high - low) / _INTERVALS
    power = 10.0 ** floor(log10(size))
    step = next(factor * power for factor in _STEPS if factor * power >= size * 0.999)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return Scale(low, high, False, tuple(step * at for at in range(first, last + 1)))

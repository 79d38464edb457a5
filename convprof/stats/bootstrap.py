"""An interval for a statistic of a series, by resampling it in circular blocks.

Neighbours in time resemble each other (a clock that throttles, another process that comes and goes), so blocks of
neighbours are drawn, not single values; the series is closed to a circle so that each value is drawn as often.
Politis and Romano, A circular block-resampling procedure for stationary data (1992). A block of 1 is the ordinary
bootstrap, for values without an order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convprof.stats.samples import Array, Sample

Statistic = Callable[[Array], Array]
"""Maps resamples, one a row, (m, n), to a number each, (m,)."""

_NUMBERS_AT_ONCE = 1 << 20
"""How many resampled values are held at a time: 8 MiB, and as much again for where they come from."""


def block_length(count: int) -> int:
    """Give the usual length of a block for `count` values, n^(1/3) rounded down."""
    return max(1, int(np.cbrt(count)))


def expanded(level: float, units: float) -> float:
    """Find the level to ask of a percentile interval over so many independent `units` for it to hold `level` (0..1).

    Resampling few units understates their variance, by (units - 1) / units, and takes it for known: Student's quantile
    and that factor, put back into the normal law. Hesterberg, What teachers should know about the bootstrap (2015).
    """
    from scipy.special import ndtr, stdtrit

    if units <= 1:
        return level
    reach = float(stdtrit(units - 1, (1 + level) / 2)) * (units / (units - 1)) ** 0.5
    return 1 - 2 * float(ndtr(-reach))


def interval(
    sample: Sample, statistic: Statistic, *, seed: int, level: float, block: int, resamples: int = 2000
) -> tuple[float, float]:
    """Find the percentile interval of `statistic` at `level` (0..1), the same one for the same `seed`."""
    generator = np.random.default_rng(seed)
    rows = max(1, _NUMBERS_AT_ONCE // len(sample))
    found = np.concatenate(
        [
            statistic(sample.values[_indices(len(sample), min(rows, resamples - done), block, generator)])
            for done in range(0, resamples, rows)
        ]
    )
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _indices(count: int, rows: int, block: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw `rows` resamples of `count` places: blocks of neighbours from random starts, (rows, count)."""
    starts = generator.integers(count, size=(rows, -(-count // block), 1))
    return ((starts + np.arange(block)) % count).reshape(rows, -1)[:, :count]

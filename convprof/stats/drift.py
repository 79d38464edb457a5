"""Whether times rise or fall over a run: a clock that throttles, a machine that warms up."""

from __future__ import annotations

import numpy as np

from convprof.stats.samples import Sample

_BLOCKS = 10
_CORRELATED = 0.8
"""Spearman's rho of ten values that know nothing of their order is beyond it, either way, in fewer than 1 of 100."""
_WORTH_TELLING = 0.02


def drift(sample: Sample) -> float | None:
    """Find how much longer the last third takes than the first (0.05 is 5 %), where that is no accident; else None.

    The medians of ten equal blocks, which resemble each other less than single values do, must rise or fall together
    with time (Spearman's rho), and the change must be 2 % or more. None for fewer than 30 values.
    """
    if len(sample) < 3 * _BLOCKS:
        return None
    blocks = np.array([np.median(block) for block in np.array_split(sample.values, _BLOCKS)])
    third = len(sample) // 3
    change = float(np.median(sample.values[-third:]) / np.median(sample.values[:third])) - 1
    if abs(change) < _WORTH_TELLING or abs(_spearman(blocks)) < _CORRELATED:
        return None
    return change


def _spearman(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Rank correlation of values with their places; equal values share the mean of their ranks."""
    ranks = np.array([(values < each).sum() + ((values == each).sum() - 1) / 2 for each in values])
    if np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(np.arange(len(values)), ranks)[0, 1])

"""What one sample says: its median, its spread, and the percentiles that it can support.

A percentile p stands on the samples beyond it. It is reported from the n for which the chance that not one sample
lies beyond it, (p / 100)^n, is at most 0.0013 (three standard deviations): 64 for p90, 130 for p95, 662 for p99.
"""

from __future__ import annotations

import math

import numpy as np

from convprof.stats.samples import Sample

PERCENTILES = (90, 95, 99)
"""The percentiles that are reported where the sample supports them."""

_CHANCE_OF_NONE_BEYOND = 0.0013


def median(sample: Sample) -> float:
    """Find the middle value, or the mean of the two middle ones."""
    return float(np.median(sample.values))


def interquartile_range(sample: Sample) -> float:
    """Find the distance between the quartiles, which are interpolated linearly."""
    low, high = np.percentile(sample.values, [25, 75])
    return float(high - low)


def samples_needed(percentile: int) -> int:
    """Count the samples from which `percentile` (above 0, below 100) is reported."""
    return math.ceil(math.log(_CHANCE_OF_NONE_BEYOND) / math.log(percentile / 100))


def percentiles(sample: Sample) -> dict[str, float]:
    """Find those of PERCENTILES that the sample supports, by name: {"90": ...}."""
    supported = [p for p in PERCENTILES if len(sample) >= samples_needed(p)]
    return {str(p): float(np.percentile(sample.values, p)) for p in supported}

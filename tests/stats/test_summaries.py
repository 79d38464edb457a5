from __future__ import annotations

import pytest

from convprof.stats.samples import Sample
from convprof.stats.summaries import interquartile_range, median, percentiles, samples_needed


def test_median_and_spread() -> None:
    sample = Sample([5, 1, 4, 2, 3])
    assert median(sample) == 3
    assert interquartile_range(sample) == 2
    assert median(Sample([1, 2])) == 1.5
    assert interquartile_range(Sample([7])) == 0


@pytest.mark.parametrize(("percentile", "needed"), [(90, 64), (95, 130), (99, 662)])
def test_a_percentile_needs_samples_beyond_it(percentile: int, needed: int) -> None:
    assert samples_needed(percentile) == needed
    assert str(percentile) not in percentiles(Sample([1.0] * (needed - 1)))
    assert percentiles(Sample([1.0] * needed))[str(percentile)] == 1.0


def test_percentiles_of_a_ramp() -> None:
    assert percentiles(Sample([float(i) for i in range(1001)])) == {"90": 900, "95": 950, "99": 990}

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convprof.stats.settling import settled


def noisy(*levels: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(levels) * np.random.default_rng(seed).normal(1, 0.01, len(levels))


@pytest.mark.parametrize(("slow", "left_out"), [(0, 0), (3, 5), (10, 10), (20, 20)])
def test_slow_rounds_at_the_start_are_counted_in_blocks(slow: int, left_out: int) -> None:
    assert settled(noisy(*[1.5] * slow, *[1.0] * (100 - slow))[None]) == left_out


def test_the_model_that_settles_last_decides() -> None:
    quick = noisy(*[1.0] * 100)
    late = noisy(*[2.0] * 15, *[1.0] * 85, seed=1)
    assert settled(np.stack([quick, late])) == settled(np.stack([late, quick])) == 15


def test_fast_rounds_at_the_start_have_not_settled_either() -> None:
    assert settled(noisy(*[0.8] * 10, *[1.0] * 90)[None]) == 10


def test_a_series_that_never_settles_keeps_all_of_it() -> None:
    assert settled(np.linspace(1, 2, 100)[None]) == 0


def test_outliers_and_ties_leave_nothing_out() -> None:
    times = np.ones(100)
    times[[0, 2, 50]] = 9
    assert settled(times[None]) == 0


def test_few_values_cannot_say() -> None:
    assert settled(noisy(*[3.0] * 10, *[1.0] * 29)[None]) == 0


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=120))
def test_at_least_half_is_left(times: list[float]) -> None:
    assert settled(np.array(times)[None]) <= len(times) // 2


def test_steady_times_lose_little() -> None:
    steady = np.random.default_rng(0).standard_t(3, (200, 100))
    lost = [settled(np.exp(0.02 * row)[None]) for row in steady]
    assert np.mean(lost) < 3

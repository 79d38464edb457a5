from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convprof.stats.bootstrap import _indices, block_length, expanded, interval
from convprof.stats.samples import Array, Sample


def _mean(rows: Array) -> Array:
    return np.asarray(rows.mean(axis=1))


@pytest.mark.parametrize(("count", "block"), [(1, 1), (7, 1), (8, 2), (27, 3), (100, 4), (1000, 10)])
def test_block_length_is_the_cube_root(count: int, block: int) -> None:
    assert block_length(count) == block


@given(count=st.integers(1, 40), rows=st.integers(1, 5), block=st.integers(1, 8), seed=st.integers(0, 99))
def test_resamples_are_circular_blocks(count: int, rows: int, block: int, seed: int) -> None:
    places = _indices(count, rows, block, np.random.default_rng(seed))
    assert places.shape == (rows, count)
    assert places.min() >= 0
    assert places.max() < count
    inside = np.arange(1, count) % block != 0
    steps = (places[:, 1:] - places[:, :-1]) % count
    assert (steps[:, inside] == 1 % count).all()


def test_the_seed_decides() -> None:
    sample = Sample(np.random.default_rng(0).random(50))
    first = interval(sample, _mean, seed=1, level=0.9, block=3)
    assert interval(sample, _mean, seed=1, level=0.9, block=3) == first
    assert interval(sample, _mean, seed=2, level=0.9, block=3) != first


def test_identical_values_have_an_interval_without_width() -> None:
    assert interval(Sample([2.0] * 9), _mean, seed=0, level=0.95, block=2) == (2.0, 2.0)


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    sample = Sample(np.random.default_rng(3).normal(size=400))
    low, high = interval(sample, _mean, seed=0, level=0.95, block=1)
    half = 1.96 * sample.values.std() / 20
    assert low == pytest.approx(sample.values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(sample.values.mean() + half, abs=0.1 * half)


@pytest.mark.parametrize(
    ("units", "level"), [(1, 0.95), (5, 0.9981), (10, 0.9829), (25, 0.9648), (1000, 0.9504), (1e9, 0.95)]
)
def test_few_units_ask_for_a_higher_level(units: float, level: float) -> None:
    assert expanded(0.95, units) == pytest.approx(level, abs=1e-4)


def test_a_large_sample_is_resampled_in_pieces() -> None:
    rows_at_once: list[int] = []

    def statistic(rows: Array) -> Array:
        rows_at_once.append(len(rows))
        return _mean(rows)

    interval(Sample(np.arange(10_000.0)), statistic, seed=0, level=0.95, block=1)
    assert sum(rows_at_once) == 2000
    assert max(rows_at_once) * 10_000 <= 1 << 20

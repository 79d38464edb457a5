from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from convprof.records.benchmark import Verdict
from convprof.stats.comparison import (
    difference_interval,
    paired_difference,
    paired_ratio,
    ratio_of_processes,
    share_interval,
    verdict,
)
from convprof.stats.samples import Array, Sample

Times = st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=30)


def _wander(generator: np.random.Generator, count: int, memory: float) -> Array:
    """A series with heavy tails in which neighbours resemble each other."""
    series = generator.standard_t(2.5, size=count + 20)
    for i in range(1, len(series)):
        series[i] += memory * series[i - 1]
    return np.asarray(series[20:])


def test_the_interval_covers_the_true_ratio_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        drift = 0.05 * _wander(generator, 100, 0.9)
        baseline = 2.6 * np.exp(drift + 0.03 * _wander(generator, 100, 0.1))
        candidate = 2.0 * np.exp(drift + 0.03 * _wander(generator, 100, 0.1))
        low, high = paired_ratio(Sample(baseline), Sample(candidate), seed)[1]
        covered += low <= 1.3 <= high
    assert covered / 300 == pytest.approx(0.95, abs=0.04)


def test_the_interval_of_thirty_rounds_covers_too() -> None:
    covered = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        baseline, candidate = (np.exp(0.03 * generator.standard_t(2.5, 30)) for _ in range(2))
        low, high = paired_ratio(Sample(1.3 * baseline), Sample(candidate), seed)[1]
        covered += low <= 1.3 <= high
    assert covered / 300 == pytest.approx(0.95, abs=0.03)


def test_a_constant_ratio_is_found_through_any_drift() -> None:
    times = np.exp(np.random.default_rng(0).normal(size=40))
    ratio, (low, high) = paired_ratio(Sample(3 * times), Sample(times), seed=0)
    assert (ratio, low, high) == pytest.approx((3, 3, 3))


def test_a_sample_beside_itself_shows_no_difference() -> None:
    sample = Sample(np.random.default_rng(0).random(50) + 1)
    ratio, interval = paired_ratio(sample, sample, seed=0)
    assert (ratio, interval) == (1, (1, 1))
    assert verdict(interval) == "no-measurable-difference"


def test_ties_are_no_trouble() -> None:
    ratio, interval = paired_ratio(Sample([2, 2, 2, 1] * 10), Sample([1, 1, 1, 1] * 10), seed=0)
    assert ratio == pytest.approx(2)
    assert interval == pytest.approx((2, 2))
    assert verdict(interval) == "faster"


@given(Times)
def test_exchanging_the_two_inverts_the_ratio(times: list[tuple[float, float]]) -> None:
    one, other = Sample([a for a, _ in times]), Sample([b for _, b in times])
    ratio, (low, high) = paired_ratio(one, other, seed=0)
    inverse, (inverse_low, inverse_high) = paired_ratio(other, one, seed=0)
    assert low <= high
    assert ratio * inverse == pytest.approx(1)
    assert (low * inverse_high, high * inverse_low) == pytest.approx((1, 1))


@pytest.mark.parametrize(("one", "other"), [([1.0, 0.0], [1.0, 1.0]), ([1.0], [-1.0]), ([1.0, 2.0], [1.0])])
def test_refuses_what_has_no_ratio(one: list[float], other: list[float]) -> None:
    with pytest.raises(ValueError, match=r"above 0|no pairs"):
        paired_ratio(Sample(one), Sample(other), seed=0)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((1.001, 1.01), "faster"),
        ((1.5, 2.0), "faster"),
        ((0.5, 0.999), "slower"),
        ((0.98, 1.02), "no-measurable-difference"),
        ((1.0, 1.0), "no-measurable-difference"),
        ((0.97, 1.01), "inconclusive"),
        ((0.99, 1.03), "inconclusive"),
        ((1.0, 1.5), "inconclusive"),
    ],
)
def test_verdict(interval: tuple[float, float], expected: Verdict) -> None:
    assert verdict(interval) == expected


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((1.04, 1.05), "faster"),
        ((1.02, 1.05), "inconclusive"),
        ((1.02, 1.03), "no-measurable-difference"),
        ((0.98, 0.99), "no-measurable-difference"),
        ((0.95, 0.99), "inconclusive"),
        ((0.93, 0.96), "slower"),
        ((0.97, 1.03), "inconclusive"),
    ],
)
@pytest.mark.parametrize("floor", [(0.99, 1.031), (1 / 1.031, 1.01)])
def test_a_verdict_is_beyond_the_floor(
    interval: tuple[float, float], expected: Verdict, floor: tuple[float, float]
) -> None:
    assert verdict(interval, floor) == expected


def _process(generator: np.random.Generator, spread: float) -> tuple[Sample, Sample]:
    """30 rounds of two models in a process in which one of them is a bit faster or slower than in others."""
    drift = 0.05 * _wander(generator, 30, 0.9)
    baseline = 2.6 * np.exp(drift + 0.03 * _wander(generator, 30, 0.1) + generator.normal(0, spread))
    return Sample(baseline), Sample(2.0 * np.exp(drift + 0.03 * _wander(generator, 30, 0.1)))


@pytest.mark.parametrize("spread", [0.0, 0.03])
@pytest.mark.parametrize("processes", [2, 5])
def test_the_interval_of_processes_covers_the_true_ratio(processes: int, spread: float) -> None:
    covered = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        pairs = [_process(generator, spread) for _ in range(processes)]
        low, high = ratio_of_processes([one for one, _ in pairs], [other for _, other in pairs])[1]
        covered += low <= 1.3 <= high
    assert covered / 300 == pytest.approx(0.95, abs=0.04)


def test_processes_that_agree_leave_no_width() -> None:
    one, other = Sample([2.0, 4.0]), Sample([1.0, 2.0])
    ratio, interval = ratio_of_processes([one] * 3, [other] * 3)
    assert (ratio, *interval) == pytest.approx((2, 2, 2))


def test_the_interval_of_processes_is_students() -> None:
    one = [Sample([value]) for value in np.exp([0.1, 0.2, 0.3])]
    ratio, (low, high) = ratio_of_processes(one, [Sample([1.0])] * 3)
    assert np.log([ratio, low, high]) == pytest.approx(
        [0.2, 0.2 - 4.3027 * 0.1 / 3**0.5, 0.2 + 4.3027 * 0.1 / 3**0.5], 1e-4
    )


def test_one_process_says_nothing_of_others() -> None:
    with pytest.raises(ValueError, match="one process"):
        ratio_of_processes([Sample([1.0])], [Sample([1.0])])


def test_the_difference_of_paired_scores_has_the_standard_error_of_the_pairs() -> None:
    generator = np.random.default_rng(0)
    before = (generator.random(10_000) < 0.8).astype(np.float64)
    after = np.where(generator.random(10_000) < 0.02, 1 - before, before)
    difference, (low, high) = paired_difference(Sample(before), Sample(after), seed=0)
    assert difference == pytest.approx(after.mean() - before.mean())
    assert high - low == pytest.approx(2 * 1.96 * (after - before).std() / 100, rel=0.1)
    assert low < difference < high


def test_equal_scores_have_no_difference() -> None:
    sample = Sample([0.5, 1.0, 2.0])
    assert paired_difference(sample, sample, seed=0) == (0, (0, 0))


def test_equal_answers_leave_room_for_a_change_that_was_not_seen() -> None:
    sample = Sample(np.ones(797))
    difference, (low, high) = paired_difference(sample, sample, seed=0)
    assert difference == 0
    assert low == -high
    assert high == pytest.approx(0.0035, rel=0.02)


def test_the_interval_of_changed_answers_holds_the_truth() -> None:
    generator = np.random.default_rng(0)
    truth = 0.02 * 0.1 - 0.02 * 0.9
    held = 0
    for _ in range(500):
        before = generator.random(400) < 0.9
        after = np.where(generator.random(400) < 0.02, ~before, before)
        _, (low, high) = paired_difference(Sample(before.astype(float)), Sample(after.astype(float)), seed=0)
        held += low <= truth <= high
    assert 0.93 <= held / 500 <= 0.99


def test_refuses_a_difference_of_what_is_not_paired() -> None:
    with pytest.raises(ValueError, match="2 and 1 values are no pairs"):
        paired_difference(Sample([1, 2]), Sample([1]), seed=0)


@given(st.integers(1, 500), st.data())
def test_the_interval_of_a_share_is_the_exact_one(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    exact = binomtest(hits, count).proportion_ci(0.95, method="exact")
    assert share_interval(hits, count) == pytest.approx((exact.low, exact.high))


def test_a_difference_is_as_uncertain_as_both() -> None:
    value, (low, high) = difference_interval((1.0, (0.7, 1.3)), (3.0, (2.6, 3.4)))
    assert (value, low, high) == pytest.approx((2.0, 1.5, 2.5))
    lopsided = difference_interval((1.0, (1.0, 1.5)), (3.0, (3.0, 3.0)))
    assert lopsided == (2.0, (1.5, 2.0))


def test_the_interval_of_a_difference_covers_as_often_as_it_says() -> None:
    covered = 0
    generator = np.random.default_rng(0)
    for _ in range(2_000):
        one, other = generator.normal(1, 0.2), generator.normal(3, 0.1)
        _, (low, high) = difference_interval(
            (one, (one - 1.96 * 0.2, one + 1.96 * 0.2)), (other, (other - 1.96 * 0.1, other + 1.96 * 0.1))
        )
        covered += low <= 2 <= high
    assert covered / 2_000 == pytest.approx(0.95, abs=0.015)

from __future__ import annotations

import numpy as np
import pytest

from convprof.stats.drift import drift
from convprof.stats.samples import Sample


@pytest.mark.parametrize("change", [0.1, -0.1])
def test_a_rise_or_fall_through_noise_is_found(change: float) -> None:
    times = np.linspace(1, 1 + change, 100) * np.exp(0.02 * np.random.default_rng(0).standard_t(3, 100))
    found = drift(Sample(times))
    assert found is not None
    assert found == pytest.approx(change * 2 / 3, abs=0.02)


def test_a_drift_too_small_to_matter_is_none() -> None:
    assert drift(Sample(np.linspace(1, 1.01, 100))) is None


def test_a_jump_up_and_down_again_is_no_drift() -> None:
    assert drift(Sample([1.0] * 40 + [2.0] * 20 + [1.0] * 40)) is None


def test_equal_times_and_few_times_do_not_drift() -> None:
    assert drift(Sample([1.0] * 100)) is None
    assert drift(Sample(np.linspace(1, 2, 29))) is None


def test_steady_times_are_hardly_ever_said_to_drift() -> None:
    generator = np.random.default_rng(0)
    found = [drift(Sample(np.exp(0.03 * generator.standard_t(3, 100)))) for _ in range(200)]
    assert sum(each is not None for each in found) <= 4

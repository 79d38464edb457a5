from __future__ import annotations

from math import inf, isnan, log

import numpy as np
import pytest

from convprof.stats.divergence import are_class_scores, kl_divergence, relative_square


def test_relative_square_is_a_share_of_the_original() -> None:
    assert relative_square(np.array([3.0, 4.0]), np.array([3.0, 5.0])) == pytest.approx(1 / 25)
    assert relative_square(np.zeros(2), np.zeros(2)) == 0
    assert relative_square(np.zeros(2), np.ones(2)) == inf


def test_divergence_of_scores_and_of_shares_is_the_same() -> None:
    one, other = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    wanted = 0.5 * log(2) + 0.5 * log(2 / 3)
    assert kl_divergence(one, other) == pytest.approx(wanted)
    assert kl_divergence(one + 7, other - 3) == pytest.approx(wanted)
    assert kl_divergence(np.exp(one), np.exp(other)) == pytest.approx(wanted)
    assert kl_divergence(one, one) == 0


def test_what_is_no_number_stays_none() -> None:
    assert isnan(kl_divergence(np.zeros((1, 2)), np.array([[np.nan, 0.0]])))
    assert not np.isfinite(relative_square(np.ones(2), np.array([np.inf, 1])))


def test_class_scores_are_floats_with_an_axis_of_classes() -> None:
    assert are_class_scores(np.zeros((4, 10, 1, 1), np.float32))
    assert not are_class_scores(np.zeros((4, 1), np.float32))
    assert not are_class_scores(np.zeros((4, 3, 8, 8), np.float32))
    assert not are_class_scores(np.zeros((4, 10), np.int64))

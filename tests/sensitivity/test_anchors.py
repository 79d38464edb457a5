from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convprof.sensitivity.anchors import anchors, between

_LOSSES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(_LOSSES, st.integers(1, 12))
def test_anchors_lose_something_and_are_as_many_as_allowed(lost: list[float], count: int) -> None:
    chosen = anchors(lost, count)
    losing = [at for at, loss in enumerate(lost) if loss > 1e-12]
    assert len(chosen) == len(set(chosen)) == min(count, len(losing))
    assert set(chosen) <= set(losing)


@given(_LOSSES, st.integers(1, 6), st.data())
def test_errors_never_rise_as_the_loss_falls(lost: list[float], count: int, data: st.DataObject) -> None:
    fitted = anchors(lost, count)
    errors = data.draw(st.lists(st.floats(0, 1), min_size=len(fitted), max_size=len(fitted)))
    found = between(lost, fitted, errors)
    ordered = [error for _, error in sorted(zip(lost, found, strict=True))]
    assert all(less <= more * (1 + 1e-9) for less, more in pairwise(ordered))
    assert all(0 <= error <= 1 for error in found)


def test_nothing_lost_is_no_error() -> None:
    assert between([0.5, 0.0], [0], [0.1])[1] == 0
    assert between([0.0], [], []) == [0.0]


def test_what_was_fitted_stands_and_a_power_law_is_met_in_between() -> None:
    lost = [0.8, 0.4, 0.2, 0.1]
    errors = [0.5 * loss**1.5 for loss in lost]
    assert between(lost, [0, 2], [errors[0], errors[2]]) == pytest.approx(errors)


def test_one_anchor_alone_is_carried_on_in_proportion() -> None:
    assert between([0.4, 0.2], [0], [0.1]) == pytest.approx([0.1, 0.05])

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convprof.planning import knapsack
from convprof.planning.knapsack import Knapsack, Solution, least_damage, most_saved


def _drawn(seed: int, layers: int, costs: int, unit: float, tightness: float) -> Knapsack:
    random = np.random.default_rng(seed)
    columns = np.repeat(np.arange(layers), random.integers(1, 4, layers))
    changes = random.integers(-60, 20, (costs, len(columns))).astype(float)
    least = np.minimum(changes, 0).sum(axis=1)
    limits = np.floor(tightness * least) - 0.5
    return Knapsack(columns, unit * random.random(len(columns)), changes, limits)


def _best_of_all(problem: Knapsack) -> float | None:
    """The least damage of every combination."""
    count = int(problem.layers.max()) + 1
    options = [[None, *np.flatnonzero(problem.layers == layer)] for layer in range(count)]
    best = None
    for choice in product(*options):
        taken = [column for column in choice if column is not None]
        if (problem.changes[:, taken].sum(axis=1) <= problem.limits).all():
            damage = float(problem.damages[taken].sum())
            best = damage if best is None else min(best, damage)
    return best


@settings(max_examples=80)
@given(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3), st.sampled_from((1.0, 1e-9, 1e9)), st.floats(0.1, 1.1)
)
def test_it_is_the_best_of_all_choices(seed: int, layers: int, costs: int, unit: float, tightness: float) -> None:
    problem = _drawn(seed, layers, costs, unit, tightness)
    best = _best_of_all(problem)
    found = least_damage(problem)
    if best is None:
        assert found is None
        return
    assert found is not None
    taken = list(found.taken)
    assert len(set(problem.layers[taken])) == len(taken)
    assert (problem.changes[:, taken].sum(axis=1) <= problem.limits).all()
    assert problem.damages[taken].sum() == pytest.approx(best, rel=1e-5, abs=1e-12 * unit)
    assert 0 <= found.gap <= 1e-4


def test_limits_that_the_model_meets_as_it_is_change_nothing() -> None:
    problem = Knapsack(np.array([0]), np.array([0.0]), np.array([[-5.0]]), np.array([0.0]))
    assert least_damage(problem) == Solution((), 0.0)


def test_nothing_to_choose_from_meets_no_limit() -> None:
    problem = Knapsack(np.zeros(0, np.int64), np.zeros(0), np.zeros((1, 0)), np.array([-1.0]))
    assert least_damage(problem) is None


def test_options_without_damage_are_still_not_taken_beyond_the_limit() -> None:
    problem = Knapsack(np.array([0, 1]), np.zeros(2), np.array([[-4.0, -4.0]]), np.array([-8.0]))
    found = least_damage(problem)
    assert found is not None
    assert found.taken == (0, 1)


@pytest.mark.parametrize("second", ["allowed", "nothing"])
def test_a_choice_within_the_solvers_tolerance_only_is_made_again(second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tempting option oversteps the limit by one in seven million."""
    tempting, allowed = -6_999_999.0, -7_000_000.0
    problem = Knapsack(np.array([0, 0]), np.array([1e-3, 0.5]), np.array([[tempting, allowed]]), np.array([allowed]))
    answers = iter([Solution((0,), 0.0), Solution((1,), 0.0) if second == "allowed" else None])
    monkeypatch.setattr(knapsack, "_solved", lambda *_: next(answers))
    found = least_damage(problem)
    assert found is not None
    assert found.taken == (1,)


def test_of_equal_savings_the_one_that_errs_least_is_taken() -> None:
    problem = Knapsack(
        np.array([0, 0, 0, 1]),
        np.array([0.3, 0.1, 0.0, 0.0]),
        np.array([[-5.0, -5.0, -4.0, 2.0]]),
        np.array([-5.0]),
    )
    assert most_saved(problem) == (1,)

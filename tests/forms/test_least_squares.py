from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convprof.forms.least_squares import conjugate_gradients, inverse, solve

Array = NDArray[np.float64]


def _normal(size: int, rank: int, seed: int, spread: float = 1.0) -> Array:
    """A positive semidefinite matrix of that rank whose unknowns differ in scale by `spread`."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((rank, size)) * np.logspace(0, -np.log10(spread), size)
    return features.T @ features


@settings(max_examples=50)
@given(st.integers(1, 12), st.integers(0, 999), st.sampled_from((1.0, 1e3, 1e6)), st.sampled_from((1e-40, 1.0, 1e40)))
def test_solve_recovers_the_solution_at_any_scale(size: int, seed: int, spread: float, scale: float) -> None:
    normal = scale * _normal(size, 3 * size, seed, spread)
    wanted = np.random.default_rng(seed + 1).standard_normal((2, size))
    np.testing.assert_allclose(solve(normal, wanted @ normal), wanted, rtol=1e-3, atol=1e-3)


@settings(max_examples=50)
@given(st.integers(2, 12), st.integers(0, 999))
def test_solve_meets_singular_systems_that_have_a_solution(size: int, seed: int) -> None:
    normal = _normal(size, size // 2, seed)
    right = np.random.default_rng(seed + 1).standard_normal((3, size)) @ normal
    np.testing.assert_allclose(solve(normal, right) @ normal, right, atol=1e-6 * np.abs(right).max())


def test_an_unknown_that_nothing_depends_on_is_zero() -> None:
    normal = np.diag([2.0, 0.0, 4.0])
    np.testing.assert_allclose(solve(normal, np.array([[2.0, 0.0, 8.0]])), [[1, 0, 2]], atol=1e-9)
    assert not solve(np.zeros((3, 3)), np.zeros((2, 3))).any()


def test_a_matrix_that_rounding_made_indefinite_is_solved_all_the_same() -> None:
    normal = np.array([[1.0, 1.0 + 1e-5], [1.0 + 1e-5, 1.0]])
    assert np.isfinite(solve(normal, np.array([[1.0, 1.0]]))).all()


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(0, 999), st.sampled_from((1e-40, 1.0, 1e40)))
def test_inverse_inverts_batches(size: int, seed: int, scale: float) -> None:
    batch = scale * np.stack([_normal(size, 4 * size, seed + i) for i in range(3)])
    identity = np.broadcast_to(np.eye(size), batch.shape)
    np.testing.assert_allclose(inverse(batch) @ batch, identity, atol=1e-6)


def test_inverse_of_nothing_is_nothing() -> None:
    batch = np.stack([np.eye(2), np.zeros((2, 2)), np.diag([1.0, 0.0])])
    found = inverse(batch)
    np.testing.assert_array_equal(found[0], np.eye(2))
    np.testing.assert_array_equal(found[1], np.zeros((2, 2)))
    np.testing.assert_allclose(found[2], np.diag([1.0, 1e9]))


@settings(max_examples=40)
@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 999))
def test_conjugate_gradients_never_raise_the_objective(size: int, rank: int, seed: int) -> None:
    normal = _normal(size, rank, seed, 1e4)
    random = np.random.default_rng(seed)
    wanted, start = random.standard_normal((2, size)), random.standard_normal((2, size))
    found = conjugate_gradients(lambda x: x @ normal, wanted @ normal, start, lambda x: x)

    def objective(x: Array) -> float:
        return float(np.sum((x - wanted) @ normal * (x - wanted)))

    assert objective(found) <= objective(start) * (1 + 1e-9)


def test_conjugate_gradients_end_in_as_many_steps_as_there_are_unknowns() -> None:
    normal, wanted = _normal(4, 8, 0), np.arange(4.0)
    found = conjugate_gradients(lambda x: normal @ x, normal @ wanted, np.zeros(4), lambda x: x)
    np.testing.assert_allclose(found, wanted, atol=1e-2)


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_conjugate_gradients_stand_still_where_there_is_no_curvature(right: float) -> None:
    start = np.ones(3)
    found = conjugate_gradients(np.zeros_like, np.full(3, right), start, lambda x: x)
    np.testing.assert_array_equal(found, start)

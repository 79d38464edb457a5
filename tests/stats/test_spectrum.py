from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from convprof.stats import spectrum
from convprof.stats.spectrum import gaussian_energy, gaussian_pooled_energy, kept_energy, pooled_energy


def _monte_carlo(rows: int, columns: int, draws: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    random = np.random.default_rng(7)
    total = np.zeros(min(rows, columns))
    for _ in range(draws):
        squares = np.linalg.svd(random.standard_normal((rows, columns)), compute_uv=False) ** 2
        total += np.cumsum(squares) / squares.sum()
    return total / draws


@pytest.mark.parametrize(
    ("rows", "columns", "draws"), [(9, 64, 300), (64, 9, 300), (4, 4, 3000), (1, 5, 2), (25, 300, 60)]
)
def test_small_matrices_keep_what_draws_keep(rows: int, columns: int, draws: int) -> None:
    drawn = _monte_carlo(rows, columns, draws)
    found = [gaussian_energy(rows, columns, rank) for rank in range(1, len(drawn) + 1)]
    np.testing.assert_allclose(found, drawn, rtol=0.02)


@pytest.mark.parametrize(("rows", "columns"), [(96, 96), (100, 400), (768, 192), (400, 300)])
def test_the_law_for_large_matrices_is_within_a_percent_of_draws(rows: int, columns: int) -> None:
    drawn = _monte_carlo(rows, columns, 3)
    small = min(rows, columns)
    for rank in (small // 16, small // 4, small // 2, small - 1):
        assert gaussian_energy(rows, columns, rank) == pytest.approx(drawn[rank - 1], rel=0.01)


@pytest.mark.parametrize("columns", [64, 200, 2000, 50_000])
def test_both_ways_agree_where_they_meet(columns: int) -> None:
    for rank in (4, 16, 32, 60):
        drawn = gaussian_energy(64, columns, rank)
        assert spectrum._marchenko_pastur(64 / columns, rank / 64) == pytest.approx(drawn, rel=0.015)
        pooled = gaussian_pooled_energy(8, 64, columns, 8 * rank)
        assert spectrum._marchenko_pastur(64 / columns, rank / 64) == pytest.approx(pooled, rel=0.03)


@pytest.mark.parametrize(("rows", "columns"), [(3, 8), (9, 512), (200, 300)])
def test_it_rises_with_the_rank_to_one(rows: int, columns: int) -> None:
    found = [gaussian_energy(rows, columns, rank) for rank in range(1, min(rows, columns) + 3)]
    assert all(0 < low < high for low, high in pairwise(found[:-2]))
    assert found[-3:] == [1, 1, 1]


def test_a_long_side_spreads_the_energy_evenly() -> None:
    assert gaussian_energy(9, 10**7, 3) == pytest.approx(3 / 9, rel=2e-3)
    assert gaussian_energy(9, 10**4, 3) > gaussian_energy(9, 10**5, 3) > 3 / 9


def test_rows_and_columns_are_interchangeable() -> None:
    assert gaussian_energy(9, 32, 4) == gaussian_energy(32, 9, 4)
    assert gaussian_energy(100, 320, 4) == gaussian_energy(320, 100, 4)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 6, 2), (4, 2, 6)])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_kept_energy_is_that_of_the_singular_values(shape: tuple[int, ...], scale: float) -> None:
    matrices = scale * np.random.default_rng(0).standard_normal(shape)
    squares = (np.linalg.svd(matrices / scale, compute_uv=False) ** 2).reshape(-1, min(shape[-2:])).sum(axis=0)
    wanted = np.cumsum(squares) / squares.sum()
    np.testing.assert_allclose(kept_energy(matrices, range(1, len(wanted) + 1)), wanted)


def test_kept_energy_survives_single_precision_at_the_ends_of_its_range() -> None:
    matrix = np.random.default_rng(0).standard_normal((3, 5))
    for scale in (1e-38, 1e38 / np.abs(matrix).max()):
        np.testing.assert_allclose(
            kept_energy((scale * matrix).astype(np.float32), [1, 2, 3]), kept_energy(matrix, [1, 2, 3]), rtol=1e-5
        )


def test_pooled_energy_is_that_of_the_largest_singular_values_of_all() -> None:
    matrices = np.random.default_rng(0).standard_normal((4, 6, 3)) * np.array([1, 2, 3, 4])[:, None, None]
    squares = np.sort(np.linalg.svd(matrices, compute_uv=False).ravel() ** 2)[::-1]
    np.testing.assert_allclose(pooled_energy(matrices, range(1, 13)), np.cumsum(squares) / squares.sum())
    assert pooled_energy(matrices, [99]) == (1.0,)


@pytest.mark.parametrize(("count", "rows", "columns"), [(64, 64, 9), (200, 3, 9), (9, 200, 300)])
def test_random_matrices_keep_what_draws_keep_together(count: int, rows: int, columns: int) -> None:
    drawn = np.random.default_rng(1).standard_normal((count, rows, columns))
    full = count * min(rows, columns)
    ranks = [full // 9, full // 3, full // 2, full]
    found = [gaussian_pooled_energy(count, rows, columns, rank) for rank in ranks]
    np.testing.assert_allclose(found, pooled_energy(drawn, ranks), rtol=0.06)
    assert found[-1] == 1


def test_zeros_keep_everything() -> None:
    assert pooled_energy(np.zeros((2, 3, 4)), [1, 2]) == (1.0, 1.0)
    assert kept_energy(np.zeros((2, 3, 4)), [1, 2]) == (1.0, 1.0)

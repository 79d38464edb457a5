from __future__ import annotations

from math import inf, isfinite, nan

import numpy as np
import pytest

from convprof.stats.comparison import relative_norm, relative_square


@pytest.mark.parametrize(
    ("error", "original", "expected"),
    [(1.0, 4.0, 0.25), (0.0, 0.0, 0.0), (0.0, 2.0, 0.0), (1.0, 0.0, None), (inf, 1.0, None), (nan, 1.0, None)],
)
def test_the_ratio_of_two_norms(error: float, original: float, expected: float | None) -> None:
    assert relative_norm(error, original) == expected


def test_relative_square_is_a_share_of_the_original() -> None:
    assert relative_square(np.array([3.0, 4.0]), np.array([3.0, 5.0])) == pytest.approx(1 / 25)
    assert relative_square(np.zeros(2), np.zeros(2)) == 0
    assert relative_square(np.zeros(2), np.ones(2)) == inf
    assert not isfinite(relative_square(np.ones(2), np.array([inf, 1])))

from __future__ import annotations

from math import inf, nan

import pytest

from convprof.stats.comparison import relative_norm


@pytest.mark.parametrize(
    ("error", "original", "expected"),
    [(1.0, 4.0, 0.25), (0.0, 0.0, 0.0), (0.0, 2.0, 0.0), (1.0, 0.0, None), (inf, 1.0, None), (nan, 1.0, None)],
)
def test_the_ratio_of_two_norms(error: float, original: float, expected: float | None) -> None:
    assert relative_norm(error, original) == expected

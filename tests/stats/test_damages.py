from __future__ import annotations

import pytest

from convprof.records.damage import Candidate, Damage, Sensitivity
from convprof.stats.damages import predicted


def _candidate(name: str, error: float) -> Candidate:
    return Candidate(name, "channel", (1,), 1, 1, error)


_CANDIDATES = (_candidate("a", 0.1), _candidate("a", 0.0), _candidate("b", 0.2), _candidate("c", 0.1))


def test_without_data_the_damage_is_the_error() -> None:
    assert predicted(Damage(_CANDIDATES, data_aware=False)) == (0.1, 0.0, 0.2, 0.1)


def test_layers_behind_repair_what_those_before_them_broke() -> None:
    found = predicted(Damage(_CANDIDATES, data_aware=True))
    assert found == pytest.approx((0.1 * 3 / 5, 0.0, 0.2 * 3 / 4, 0.1))


def test_a_layer_counts_by_the_root_of_what_it_does_to_the_outputs() -> None:
    seen = tuple(
        Sensitivity(name, "channel", (1,), 0.1, damage) for name, damage in zip("abc", (0.4, 0.1, 0.0), strict=True)
    )
    found = predicted(Damage(_CANDIDATES, True, seen, "relative-l2"))
    assert found == pytest.approx((2 * 0.1 * 3 / 5, 0.0, 0.2 * 3 / 4, 0.0))


def test_a_layer_that_was_not_looked_at_is_refused_if_it_errs() -> None:
    seen = (Sensitivity("b", "channel", (1,), 0.1, 0.1),)
    with pytest.raises(ValueError, match="no sensitivity of a, c"):
        predicted(Damage(_CANDIDATES, True, seen, "relative-l2"))
    assert predicted(Damage((_candidate("a", 0.0),), True, seen, "relative-l2")) == (0.0,)

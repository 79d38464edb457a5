from __future__ import annotations

import pytest

from convprof.forms import FORMS
from convprof.forms.offers import eighths
from convprof.records.convs import ConvSite, ConvSpec, Rank

SPEC = ConvSpec(512, 512, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1))


@pytest.mark.parametrize(
    ("full", "steps"),
    [
        ((1,), [(1,)]),
        ((6,), [(1,), (2,), (3,), (4,), (5,), (6,)]),
        ((16,), [(2,), (4,), (6,), (8,), (10,), (12,), (14,), (16,)]),
        ((40,), [(8,), (16,), (24,), (32,), (40,)]),
        ((3, 64), [(1, 8), (2, 16), (3, 24), (3, 32), (3, 40), (3, 48), (3, 56), (3, 64)]),
        ((0,), []),
    ],
)
def test_steps_are_even_few_and_whole_blocks_where_they_can_be(full: Rank, steps: list[Rank]) -> None:
    assert eighths(full) == tuple(steps)


@pytest.mark.parametrize("name", FORMS)
def test_no_form_offers_more_than_eight_ranks(name: str) -> None:
    assert 3 <= len(FORMS[name].ranks(ConvSite(SPEC, 1, (14, 14)))) <= 8

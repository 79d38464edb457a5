from __future__ import annotations

import pytest
from msgspec.structs import replace

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
        ((72,), [(16,), (32,), (48,), (64,), (72,)]),
        ((512,), [(64,), (128,), (192,), (256,), (320,), (384,), (448,), (512,)]),
        ((3, 64), [(1, 16), (2, 32), (3, 48), (3, 64)]),
        ((0,), []),
    ],
)
def test_steps_are_even_few_and_whole_blocks_where_they_can_be(full: Rank, steps: list[Rank]) -> None:
    assert eighths(full) == tuple(steps)


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("name", FORMS)
def test_no_form_offers_more_than_eight_ranks(name: str, size: int) -> None:
    spec = replace(SPEC, kernel_shape=(size, size), pads=(size // 2,) * 4)
    assert 3 <= len(FORMS[name].ranks(ConvSite(spec, 1, (14, 14)))) <= 8


def test_of_many_ranks_the_low_ones_stay_and_so_do_the_ends() -> None:
    spec = replace(SPEC, kernel_shape=(7, 7), pads=(3,) * 4)
    ranks = FORMS["depthwise-pointwise"].ranks(ConvSite(spec, 1, (14, 14)))
    assert ranks[:3] == ((1,), (2,), (3,))
    assert ranks[-1] == (44,)


@pytest.mark.parametrize("name", ["spatial", "channel", "tucker2", "pointwise-depthwise-pointwise"])
def test_ranks_of_wide_convs_are_whole_blocks(name: str) -> None:
    for rank in FORMS[name].ranks(ConvSite(replace(SPEC, in_channels=128, out_channels=64), 1, (14, 14))):
        assert [number % 16 for number in rank] == [0] * len(rank)

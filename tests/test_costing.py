from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convprof.costing import cost
from convprof.errors import UsageError
from convprof.forms import FORMS
from convprof.macs import chain_macs, conv_macs, conv_parameters
from convprof.records.convs import ConvSite, ConvSpec
from convprof.records.cost import Cost


def _cost(input_shape: tuple[int, ...], kernel: int | tuple[int, ...], filters: int, **changed: int) -> Cost:
    sizes = {"stride": 1, "padding": 0, "dilation": 1, "rank": 1} | changed
    return cost(input_shape, (kernel,) if isinstance(kernel, int) else kernel, filters, **sizes)


def test_four_filters_on_a_picture_take_108_parameters_dense_and_39_separable() -> None:
    found = _cost((5, 5, 3), 3, 4, padding=1)
    assert found.dense.parameters == 4 * 3 * 3 * 3 == 108
    assert [part.parameters for part in found.chain] == [27, 12]
    assert found.parameters == 39
    assert found.dense.output_shape == (5, 5, 4)
    assert found.parameters_ratio == pytest.approx(39 / 108)


def test_stride_two_on_eleven_by_eleven_leaves_six_by_six() -> None:
    found = _cost((11, 11, 3), 3, 16, stride=2, padding=1)
    assert found.dense.output_shape == (6, 6, 16)
    assert [part.output_shape for part in found.chain] == [(6, 6, 3), (6, 6, 16)]
    assert [part.input_shape for part in found.chain] == [(11, 11, 3), (6, 6, 3)]


def test_256_filters_of_five_by_five_take_1228800_multiplications_dense_and_53952_separable() -> None:
    found = _cost((12, 12, 3), 5, 256)
    assert found.dense.macs == 1_228_800
    assert [part.macs for part in found.chain] == [4_800, 49_152]
    assert found.macs == 4_800 + 49_152 == 53_952
    assert found.dense.output_shape == (8, 8, 256)


@pytest.mark.parametrize("channels", [1, 3, 512])
def test_1024_filters_of_three_by_three_take_about_a_tenth(channels: int) -> None:
    found = _cost((14, 14, channels), 3, 1024, padding=1)
    assert found.macs_ratio == pytest.approx(1 / 1024 + 1 / 9)
    assert found.macs_ratio == pytest.approx(0.112, abs=5e-4)


def test_depth_multiplier_two_makes_six_channels_of_three() -> None:
    found = _cost((8, 8, 3), 3, 16, padding=1, rank=2)
    assert found.chain[0].output_shape == (8, 8, 6)
    assert found.chain[0].weight_shape == (6, 1, 3, 3)
    assert found.chain[1].weight_shape == (16, 6, 1, 1)


def test_sobel_is_exactly_separable_in_space() -> None:
    sobel = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).reshape(1, 1, 3, 3)
    spec = ConvSpec(1, 1, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
    spatial = FORMS["spatial"]
    assert spatial.applies(spec) is None
    assert spatial.energy(sobel, [(1,)])[0] == pytest.approx(1)
    np.testing.assert_allclose(spatial.compose(spatial.factor(sobel, spec, (1,)), spec), sobel, atol=1e-12)
    assert conv_parameters(spec) == 9
    assert [part.weight_shape for part in spatial.chain(spec, (1,))] == [(1, 1, 3, 1), (1, 1, 1, 3)]
    site = ConvSite(spec, 1, (7, 7))
    assert (conv_macs(spec, (7, 7)), chain_macs(spatial.chain(spec, (1,)), site)) == (9 * 49, 6 * 49)


@pytest.mark.parametrize(("filters", "kernel", "rank"), [(64, 3, 1), (64, 3, 4), (10, 5, 2), (7, 2, 3), (32, 7, 12)])
def test_the_ratio_is_the_one_of_the_formula(filters: int, kernel: int, rank: int) -> None:
    found = _cost((20, 20, 6), kernel, filters, rank=rank)
    assert found.macs_ratio == pytest.approx(rank * (1 / filters + 1 / kernel**2))


@pytest.mark.parametrize(
    ("filters", "kernel", "expected"), [(64, 3, 8), (9, 3, 5), (1024, 3, 9), (256, 5, 23), (1, 3, 1), (64, 1, 1)]
)
def test_the_break_even_is_the_first_multiplier_that_saves_nothing(filters: int, kernel: int, expected: int) -> None:
    found = _cost((16, 16, 8), kernel, filters)
    assert found.break_even_rank == expected
    assert _cost((16, 16, 8), kernel, filters, rank=expected).macs_ratio >= 1
    if expected > 1:
        assert _cost((16, 16, 8), kernel, filters, rank=expected - 1).macs_ratio < 1
    assert _cost((16, 16, 8), kernel, filters, rank=3).break_even_rank == expected


@pytest.mark.parametrize(
    ("shape", "kernel", "output"),
    [((100, 4), (5,), (96, 8)), ((9, 8, 7, 2), (3,), (7, 6, 5, 8)), ((9, 8, 7, 2), (1, 2, 3), (9, 7, 5, 8))],
)
def test_signals_and_volumes_are_counted_too(
    shape: tuple[int, ...], kernel: tuple[int, ...], output: tuple[int, ...]
) -> None:
    found = _cost(shape, kernel, 8)
    assert found.dense.output_shape == output
    assert found.dense.macs == int(np.prod(output)) * int(np.prod(found.dense.weight_shape[1:]))


def test_dilation_widens_the_kernel_and_costs_nothing() -> None:
    wide = _cost((9, 9, 2), 3, 4, dilation=2)
    assert wide.dense.output_shape == (5, 5, 4)
    assert wide.dense.macs == _cost((7, 7, 2), 3, 4).dense.macs


@pytest.mark.parametrize(
    ("shape", "kernel", "changed"),
    [
        ((), (3,), {}),
        ((3,), (3,), {}),
        ((1, 2, 3, 4, 5), (3,), {}),
        ((8, 8, 3), (3, 3, 3), {}),
        ((8, 8, 3), (), {}),
        ((8, 8, 3), (9,), {}),
        ((8, 8, 3), (5,), {"dilation": 2}),
        ((0, 8, 3), (3,), {}),
        ((8, 8, 0), (3,), {}),
        ((8, 8, 3), (0,), {}),
        ((8, 8, 3), (3,), {"stride": 0}),
        ((8, 8, 3), (3,), {"padding": -1}),
        ((8, 8, 3), (3,), {"dilation": 0}),
        ((8, 8, 3), (3,), {"rank": 0}),
    ],
)
def test_sizes_that_make_no_conv_are_refused(
    shape: tuple[int, ...], kernel: tuple[int, ...], changed: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        _cost(shape, kernel, 4, **changed)


def test_no_filters_are_refused() -> None:
    with pytest.raises(UsageError):
        _cost((8, 8, 3), 3, 0)

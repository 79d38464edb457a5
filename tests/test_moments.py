from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convprof.errors import DataError
from convprof.moments import Gatherer, Moments, patches, pooled, positions_per_input
from convprof.records.convs import ConvSpec

Array = NDArray[np.float64]
_EVERY = 10**9
_SPEC = ConvSpec(3, 4, (3, 2), (2, 1), (1, 0, 0, 1), (1, 2))


@st.composite
def geometries(draw: st.DrawFn) -> tuple[ConvSpec, tuple[int, ...]]:
    """A conv over 1 to 3 axes and an input size that it fits into."""
    axes = draw(st.integers(1, 3))

    def sizes(count: int, low: int, high: int) -> tuple[int, ...]:
        return draw(st.tuples(*[st.integers(low, high)] * count))

    kernel, dilations, pads = sizes(axes, 1, 3), sizes(axes, 1, 2), sizes(2 * axes, 0, 2)
    spec = ConvSpec(draw(st.integers(1, 3)), draw(st.integers(1, 3)), kernel, sizes(axes, 1, 3), pads, dilations)
    return spec, tuple(dilations[i] * (kernel[i] - 1) + 1 + extra for i, extra in enumerate(sizes(axes, 0, 3)))


def _naive_patches(inputs: Array, spec: ConvSpec) -> Array:
    """Every patch, sample by sample and position by position, value by value."""
    axes = len(spec.kernel_shape)
    rows = []
    for sample in inputs:
        for position in np.ndindex(*spec.output_size(inputs.shape[2:])):
            row = []
            for channel in sample:
                for tap in np.ndindex(*spec.kernel_shape):
                    at = [
                        position[i] * spec.strides[i] - spec.pads[i] + tap[i] * spec.dilations[i] for i in range(axes)
                    ]
                    inside = all(0 <= a < size for a, size in zip(at, channel.shape, strict=True))
                    row.append(float(channel[tuple(at)]) if inside else 0.0)
            rows.append(row)
    return np.array(rows)


def _all_patches(inputs: NDArray[np.generic], spec: ConvSpec) -> NDArray[np.floating]:
    size = spec.output_size(inputs.shape[2:])
    total = int(np.prod(size))
    sample = np.repeat(np.arange(len(inputs)), total)
    return patches(inputs, spec, sample, np.unravel_index(np.tile(np.arange(total), len(inputs)), size))


def _data(samples: int = 6, seed: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    inputs = random.standard_normal((samples, 3, 7, 6)) + 5
    return inputs, random.standard_normal((samples, 4, *_SPEC.output_size((7, 6)))) - 2


def _gathered(inputs: NDArray[np.generic], responses: NDArray[np.generic]) -> Moments:
    gatherer = Gatherer(_SPEC, _EVERY, seed=0)
    gatherer.add(inputs, responses)
    return gatherer.moments()


def _rows(responses: Array) -> Array:
    return np.moveaxis(responses, 1, -1).reshape(-1, responses.shape[1])


@settings(max_examples=60)
@given(geometries())
def test_patches_are_those_of_a_naive_loop(geometry: tuple[ConvSpec, tuple[int, ...]]) -> None:
    spec, size = geometry
    inputs = np.random.default_rng(0).standard_normal((2, spec.in_channels, *size))
    np.testing.assert_array_equal(_all_patches(inputs, spec), _naive_patches(inputs, spec))


@pytest.mark.parametrize(("dtype", "made"), [("float16", "float32"), ("float32", "float32"), ("float64", "float64")])
def test_patches_are_double_for_double_inputs_only(dtype: str, made: str) -> None:
    assert _all_patches(_data()[0].astype(dtype), _SPEC).dtype == made


def test_pooled_moments_are_those_of_all_inputs() -> None:
    inputs, responses = _data(9)
    parts = [_gathered(inputs[part], responses[part]) for part in (slice(0, 2), slice(2, 9))]
    whole, both = _gathered(inputs, responses), pooled(parts)
    for field in ("count", "patch_mean", "response_mean", "covariance", "cross", "power"):
        np.testing.assert_allclose(getattr(both, field), getattr(whole, field), atol=1e-12)


def test_another_bias_costs_its_distance() -> None:
    moments, kernel = _gathered(*_data()), np.random.default_rng(1).standard_normal(_SPEC.weight_shape)
    best = moments.best_bias(kernel)
    assert moments.error(kernel, best) == pytest.approx(moments.error(kernel))
    assert moments.error(kernel, best + 2) == pytest.approx(moments.error(kernel) + 4 * len(best))


def test_moments_at_every_position_are_those_of_numpy() -> None:
    inputs, responses = _data()
    moments, seen, wanted = _gathered(inputs, responses), _naive_patches(inputs, _SPEC), _rows(responses)
    both = np.cov(np.hstack([seen, wanted]).T, bias=True)
    size = seen.shape[1]
    assert moments.count == len(seen)
    np.testing.assert_allclose(moments.covariance, both[:size, :size], atol=1e-12)
    np.testing.assert_allclose(moments.cross, both[size:, :size], atol=1e-12)
    np.testing.assert_allclose(moments.patch_mean, seen.mean(axis=0))
    np.testing.assert_allclose(moments.response_mean, wanted.mean(axis=0))
    assert moments.power == pytest.approx(np.trace(both[size:, size:]))


def test_batches_add_up_to_the_whole() -> None:
    inputs, responses = _data(9)
    gatherer = Gatherer(_SPEC, _EVERY, seed=0)
    for begin, end in ((0, 1), (1, 1), (1, 6), (6, 9)):
        gatherer.add(inputs[begin:end], responses[begin:end])
    whole, parts = _gathered(inputs, responses), gatherer.moments()
    for field in ("count", "patch_mean", "response_mean", "covariance", "cross", "power"):
        np.testing.assert_allclose(getattr(parts, field), getattr(whole, field), atol=1e-12)


def test_a_large_mean_costs_no_digits() -> None:
    inputs, responses = _data()
    near, far = _gathered(inputs, responses), _gathered(inputs + 1e6, responses)
    # Patches at the border see the padding's zeros: only taps that never leave the map are comparable.
    spread = np.abs(far.covariance).max()
    inner = np.isclose(np.diag(far.covariance), np.diag(near.covariance), rtol=1e-3)
    assert inner.any()
    np.testing.assert_allclose(
        far.covariance[np.ix_(inner, inner)], near.covariance[np.ix_(inner, inner)], atol=1e-12 * spread
    )


def test_inputs_alone_are_answered_by_the_kernel() -> None:
    inputs, _ = _data()
    random = np.random.default_rng(1)
    kernel, bias = random.standard_normal(_SPEC.weight_shape), random.standard_normal(4)
    gatherer = Gatherer(_SPEC, _EVERY, seed=0)
    gatherer.add_inputs(inputs, kernel, bias)
    moments = gatherer.moments()
    assert moments.relative_error(kernel) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(moments.best_bias(kernel), bias)


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_error_is_that_of_the_residuals_and_no_bias_does_better(seed: int) -> None:
    inputs, responses = _data(3, seed)
    moments, seen, wanted = _gathered(inputs, responses), _naive_patches(inputs, _SPEC), _rows(responses)
    random = np.random.default_rng(seed)
    kernel = random.standard_normal(_SPEC.weight_shape)
    bias = moments.best_bias(kernel)
    plain = wanted - seen @ kernel.reshape(4, -1).T

    def error(c: Array) -> float:
        return float(np.mean(np.sum((plain - c) ** 2, axis=1)))

    assert moments.error(kernel) == pytest.approx(error(bias))
    assert moments.relative_error(kernel) == pytest.approx(error(bias) / moments.power)
    assert error(bias) <= error(bias + 1e-3 * random.standard_normal(4))


@pytest.mark.parametrize("relative", [1e-4, 0.5])
def test_the_ridge_is_a_pull_towards_the_kernel(relative: float) -> None:
    moments = _gathered(*_data())
    random = np.random.default_rng(2)
    kernel, other = random.standard_normal(_SPEC.weight_shape), random.standard_normal(_SPEC.weight_shape)
    ridged = moments.ridged(kernel, relative)
    ridge = relative * np.trace(moments.covariance) / len(moments.covariance)
    assert ridged.error(kernel) == pytest.approx(moments.error(kernel))
    assert ridged.error(other) == pytest.approx(moments.error(other) + ridge * np.sum((other - kernel) ** 2))
    assert np.linalg.eigvalsh(ridged.covariance)[0] >= 0.99 * ridge


def test_the_ridge_decides_where_the_data_says_nothing() -> None:
    kernel = np.random.default_rng(0).standard_normal(_SPEC.weight_shape)
    silent = _gathered(np.zeros((2, 3, 7, 6)), np.zeros((2, 4, *_SPEC.output_size((7, 6)))))
    ridged = silent.ridged(kernel, 1e-4)
    solved = np.linalg.solve(ridged.covariance, ridged.cross.T).T
    np.testing.assert_allclose(solved.reshape(kernel.shape), kernel)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e6 / 3])
def test_a_constant_response_is_reproduced_by_its_bias(level: float, dtype: type[np.floating]) -> None:
    inputs, responses = _data()
    moments = _gathered(inputs, np.full_like(responses, level).astype(dtype))
    assert moments.relative_error(np.zeros(_SPEC.weight_shape)) == 0
    assert moments.relative_error(np.full(_SPEC.weight_shape, 1e3)) == 1


@pytest.mark.parametrize("positions", [1, 5, 29, 30, 31, _EVERY])
def test_positions_are_bounded_distinct_and_as_many_for_each_input(positions: int) -> None:
    """An input that numbers its positions, read by a 1x1 kernel: its moments tell which positions were taken."""
    spec = ConvSpec(1, 1, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1))
    numbers = np.arange(30.0).reshape(1, 1, 5, 6)
    gatherer = Gatherer(spec, positions, seed=3)
    gatherer.add(np.repeat(numbers, 4, axis=0), np.zeros((4, 1, 5, 6)))
    taken = min(positions, 30)
    assert gatherer.moments().count == 4 * taken
    sample, place = gatherer._positions_in(4, (5, 6))
    flat = np.ravel_multi_index(place, (5, 6))
    assert np.bincount(sample).tolist() == [taken] * 4
    assert all(len(set(flat[sample == number])) == taken for number in range(4))


def test_the_seed_decides_the_positions() -> None:
    def covariance(seed: int) -> Array:
        gatherer = Gatherer(_SPEC, 5, seed)
        gatherer.add(*_data())
        return gatherer.moments().covariance

    np.testing.assert_array_equal(covariance(1), covariance(1))
    assert not np.array_equal(covariance(1), covariance(2))


def test_sampled_moments_come_close_to_the_whole() -> None:
    inputs, responses = _data(400)
    gatherer = Gatherer(_SPEC, 10, seed=0)
    gatherer.add(inputs, responses)
    whole = _gathered(inputs, responses)
    np.testing.assert_allclose(gatherer.moments().covariance, whole.covariance, atol=0.1 * whole.covariance.max())


@pytest.mark.parametrize(
    ("samples", "rows", "expected"), [(10, 40, 108), (1000, 40, 4), (7, 40, 155), (1, 1, 27), (100, 0, 4)]
)
def test_positions_an_input_make_the_rows_wanted(samples: int, rows: int, expected: int) -> None:
    assert positions_per_input((8, 3, 3, 3), samples, rows) == expected
    assert expected * samples >= rows * 27


def test_no_inputs_are_refused() -> None:
    gatherer = Gatherer(_SPEC, 5, seed=0)
    gatherer.add(np.zeros((0, 3, 7, 6)), np.zeros((0, 4, *_SPEC.output_size((7, 6)))))
    with pytest.raises(DataError, match="not one input"):
        gatherer.moments()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(poison: float) -> None:
    inputs, responses = _data()
    for spoiled in (inputs.copy(), responses.copy()):
        spoiled[3, 1, 2, 2] = poison
        gatherer = Gatherer(_SPEC, _EVERY, seed=0)
        with np.errstate(invalid="ignore"):
            gatherer.add(*((spoiled, responses) if spoiled.shape == inputs.shape else (inputs, spoiled)))
        with pytest.raises(DataError, match="NaN or infinity"):
            gatherer.moments()


def test_outputs_beyond_all_measure_are_refused() -> None:
    spec = ConvSpec(1, 1, (3, 3), (1, 1), (10**9,) * 4, (1, 1))
    with pytest.raises(DataError, match=r"layer .a.: its output has .* positions"):
        Gatherer(spec, 5, seed=0, layer="layer 'a'").add_inputs(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), None)


def test_rows_that_come_one_by_one_are_the_rows_that_come_at_once() -> None:
    inputs, responses = _data(9)
    gatherer = Gatherer(_SPEC, _EVERY, seed=0)
    for number in range(9):
        gatherer.add(inputs[number : number + 1], responses[number : number + 1])
    np.testing.assert_allclose(gatherer.moments().covariance, _gathered(inputs, responses).covariance, atol=1e-12)

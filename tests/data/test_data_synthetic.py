"""Synthetic pictures: the same whoever asks, natural in their statistics, and only where a model takes pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convprof.data import SYNTHETIC, assumed_preprocess, synthetic_batches, takes_pictures
from convprof.data.scenes import draw
from convprof.errors import DataError, UsageError
from convprof.records.analysis import TensorSpec

COLOUR = TensorSpec("x", "float32", (1, 3, 32, 32))
GREY = TensorSpec("x", "float32", (1, 1, 32, 32))


def pictures(count: int, *shape: int, seed: int = 0) -> NDArray[Any]:
    """The pictures as numbers 0..1, (count, height, width, channels)."""
    height, width, channels = shape
    return np.stack([draw((seed, index), (height, width, channels)) for index in range(count)]) / 255


@settings(max_examples=10)
@given(st.integers(1, 9), st.integers(0, 20), st.integers(0, 3))
def test_pictures_are_the_same_whatever_the_batch_size(size: int, start: int, seed: int) -> None:
    part = synthetic_batches((TensorSpec("x", "float32", (1, 3, 9, 8)),), "unit", seed).slice(start, start + 12)
    feeds = np.concatenate([feed["x"] for feed in part.batches(size)])
    assert np.array_equal(feeds, part.first(12)["x"])
    alone = draw((seed, start + 11), (9, 8, 3)).transpose(2, 0, 1).astype(np.float32)
    assert np.array_equal(feeds[-1], alone / np.float32(255))


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (31, 17, 3), (1, 2, 1), (300, 8, 1)])
def test_pictures_of_any_size(shape: tuple[int, int, int]) -> None:
    picture = draw((3, 5), shape)
    assert picture.shape == shape
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, draw((3, 5), shape))


def test_every_picture_and_every_seed_is_another() -> None:
    lot = [draw((seed, index), (16, 16, 3)).tobytes() for seed in range(3) for index in range(10)]
    assert len(set(lot)) == 30


def test_the_range_is_used() -> None:
    values = pictures(200, 32, 32, 3)
    assert values.min() == 0
    assert values.max() == 1
    assert 0.4 < values.mean() < 0.55
    assert 0.2 < values.std() < 0.3
    spread = values.std(axis=(1, 2, 3))
    assert spread.min() < 0.12
    assert spread.max() > 0.28


def test_power_falls_with_frequency_as_in_photographs() -> None:
    """As frequency to about -2, or -1.5 to -3 in single photographs."""
    window = np.outer(np.hanning(64), np.hanning(64))
    grey = pictures(100, 64, 64, 1)[..., 0]
    power = (np.abs(np.fft.fft2((grey - grey.mean((1, 2), keepdims=True)) * window)) ** 2).mean(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    band = (frequency > 0.04) & (frequency < 0.3)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert -3 < slope < -1.5


def test_colours_differ_mostly_in_lightness() -> None:
    values = pictures(200, 16, 16, 3).reshape(-1, 3)
    correlation = np.corrcoef(values.T)
    assert correlation[np.triu_indices(3, 1)].min() > 0.5


def test_there_are_edges() -> None:
    """Differences between neighbours have heavy tails, unlike those of Gaussian noise (kurtosis 3)."""
    steps = np.diff(pictures(200, 32, 32, 1)[..., 0], axis=2)
    steps = steps / steps.std(axis=(1, 2), keepdims=True)
    assert (steps**4).mean() > 5


@pytest.mark.parametrize(
    ("shape", "preprocess", "sample"),
    [
        ((1, 3, 12, 10), "unit", lambda p: p.transpose(2, 0, 1) / 255),
        ((1, 12, 10, 3), "unit", lambda p: p / 255),
        ((1, 12, 10, 3), "signed", lambda p: p / 127.5 - 1),
        ((4, 3, 12, 10), "raw,order=bgr", lambda p: p[..., ::-1].transpose(2, 0, 1)),
        ((1, 12, 10, 1), "unit,layout=nhwc", lambda p: p / 255),
    ],
)
def test_pictures_as_the_model_takes_them(
    shape: tuple[int, ...], preprocess: str, sample: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    batches = synthetic_batches((TensorSpec("x", "float32", shape),), preprocess, 7)
    assert batches.shapes == {"x": (1, *shape[1:])}
    channels = 1 if 1 in shape[1:] else 3
    wanted = sample(draw((7, 0), (12, 10, channels)).astype(np.float64))
    assert np.allclose(batches.first(1)["x"][0], wanted, atol=1e-6)


@pytest.mark.parametrize("spec", [COLOUR, GREY])
def test_without_preprocess_they_are_about_normalised(spec: TensorSpec) -> None:
    values = synthetic_batches((spec,), None, 0).first(64)["x"]
    assert abs(values.mean()) < 0.25
    assert 0.8 < values.std() < 1.4


def test_pixels_stay_pixels_where_the_model_takes_those() -> None:
    spec = TensorSpec("x", "uint8", (1, 12, 10, 3))
    assert assumed_preprocess(spec) == "raw"
    assert np.array_equal(synthetic_batches((spec,), None, 0).first(1)["x"][0], draw((0, 0), (12, 10, 3)))


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((1, 3, 32, 32), 1024),
        ((1, 3, 224, 224), 256),
        ((1, 3, 4096, 4096), 4),
        ((100, 3, 32, 32), 1100),
        ((3000, 3, 32, 32), 3000),
    ],
)
def test_how_many_there_are(shape: tuple[int, ...], count: int) -> None:
    batches = synthetic_batches((TensorSpec("x", "float32", shape),), "unit", 0)
    assert (batches.count, batches.what, batches.labels) == (count, SYNTHETIC, None)


NONE: dict[str, tuple[tuple[TensorSpec, ...], str]] = {
    "no input": ((), "0 inputs"),
    "two inputs": ((COLOUR, TensorSpec("m", "float32", (1, 1, 32, 32))), "2 inputs (x, m)"),
    "sequences": ((TensorSpec("x", "float32", (1, 3, 32)),), "rank 4"),
    "unknown rank": ((TensorSpec("x", "float32", None),), "rank 4"),
    "features": ((TensorSpec("x", "float32", (1, 128, 28, 28)),), "1 or 3 channels"),
    "alpha": ((TensorSpec("x", "float32", (1, 4, 28, 28)),), "1 or 3 channels"),
    "too small": ((TensorSpec("x", "float32", (1, 3, 1, 99)),), "8x8 or more"),
    "tokens": ((TensorSpec("x", "int64", (1, 3, 28, 28)),), "takes int64"),
    "eight-bit floats": ((TensorSpec("x", "float8e5m2", (1, 3, 28, 28)),), "takes float8e5m2"),
}


@pytest.mark.parametrize("case", NONE)
def test_models_that_take_no_pictures(case: str) -> None:
    inputs, why = NONE[case]
    assert not takes_pictures(inputs, None)
    with pytest.raises(DataError) as caught:
        synthetic_batches(inputs, None, 0)
    assert caught.value.what == "--calibration synthetic"
    assert why in caught.value.why
    assert caught.value.remedy


def test_a_preprocess_that_does_not_go_with_the_input() -> None:
    assert takes_pictures((GREY,), "imagenet")
    with pytest.raises(DataError, match="3 values of mean"):
        synthetic_batches((GREY,), "imagenet", 0)
    with pytest.raises(DataError, match="32x32"):
        synthetic_batches((COLOUR,), "unit,size=224", 0)
    with pytest.raises(UsageError, match="sepia"):
        synthetic_batches((COLOUR,), "sepia", 0)
    assert not takes_pictures((COLOUR,), "layout=nhwc")

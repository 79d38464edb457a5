"""Preprocessing is the formula value = (pixel / scale - mean) / std, and its text is parsed or refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from convprof.data import Preprocess, open_data, parse_preprocess
from convprof.data.pixels import plan_pixels
from convprof.data.preprocess import KEYS, PRESETS
from convprof.errors import DataError, UsageError
from convprof.records.analysis import TensorSpec

NCHW = TensorSpec("image", "float32", (1, 3, 7, 5))
NHWC = TensorSpec("image", "float32", (1, 7, 5, 3))
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 7, 5, 3), np.uint8)
numbers = st.floats(-1e3, 1e3).filter(lambda number: abs(number) > 1e-3)


def feed(path: Path, pixels: NDArray[Any], spec: TensorSpec, preprocess: str | None) -> NDArray[Any]:
    np.savez(path / "d.npz", x=pixels)
    return open_data(str(path / "d.npz"), (spec,), preprocess=preprocess).first(len(pixels))[spec.name]


def refusal(path: Path, pixels: NDArray[Any], spec: TensorSpec, preprocess: str | None) -> str:
    with pytest.raises(DataError) as caught:
        feed(path, pixels, spec, preprocess)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unit", Preprocess()),
        ("raw", Preprocess(scale=1.0)),
        ("signed", Preprocess(mean=(0.5,), std=(0.5,))),
        ("imagenet,size=224", Preprocess((224, 224), 255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
        ("size=480x640", Preprocess((480, 640))),
        ("unit, order = bgr , layout=nhwc", Preprocess(layout="nhwc", order="bgr")),
        ("imagenet,mean=0.5", Preprocess(mean=(0.5,), std=(0.229, 0.224, 0.225))),
        (
            "scale=1,mean=125.3:123.0:113.9,std=62.99:62.09:66.70",
            Preprocess(scale=1.0, mean=(125.3, 123.0, 113.9), std=(62.99, 62.09, 66.70)),
        ),
    ],
)
def test_the_language(text: str, expected: Preprocess) -> None:
    assert parse_preprocess(text) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "''"),
        ("unit,", "''"),
        ("imagnet", "'imagnet'"),
        ("unit=3", "'unit=3'"),
        ("sise=224", "'sise=224'"),
        ("size", "'size'"),
        ("size=224,unit", "preset 'unit' does not come first"),
        ("unit,raw", "preset 'raw'"),
        ("scale=1,scale=2", "'scale' is given twice"),
        ("size=0", "'size=0'"),
        ("size=4x0", "'size=4x0'"),
        ("size=-4", "'size=-4'"),
        ("size=4x5x6", "'size=4x5x6'"),
        ("size=999999", "'size=999999'"),
        ("size=²", "'size=²'"),
        ("scale=0", "cannot be 0"),
        ("std=1:0:1", "cannot be 0"),
        ("scale=nan", "not finite"),
        ("mean=1:inf", "not finite"),
        ("mean=1e999", "not finite"),
        ("mean=", "''"),
        ("mean=1:", "''"),
        ("mean=a", "'a' is not a number"),
        ("layout=NCHW", "not nchw or nhwc"),
        ("order=gbr", "not rgb or bgr"),
    ],
)
def test_the_language_refuses(text: str, names: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_preprocess(text)
    assert names in str(caught.value)
    assert all(word in caught.value.remedy for word in (*PRESETS, *KEYS))


words = st.sampled_from([*PRESETS, *KEYS, "=", ",", ":", "x", "224", "-1", "1e5", "nan", "nchw", "bgr", " ", "²", "\n"])


@given(st.text() | st.lists(words).map("".join))
def test_the_parser_raises_nothing_but_usage_errors(text: str) -> None:
    with suppress(UsageError):
        parse_preprocess(text)


@given(
    scale=numbers,
    mean=st.lists(numbers, min_size=3, max_size=3) | st.lists(numbers, min_size=1, max_size=1),
    std=st.lists(numbers, min_size=3, max_size=3) | st.lists(numbers, min_size=1, max_size=1),
    bgr=st.booleans(),
    nchw=st.booleans(),
)
def test_pixels_are_the_formula(scale: float, mean: list[float], std: list[float], bgr: bool, nchw: bool) -> None:
    text = f"scale={scale!r},mean={':'.join(map(repr, mean))},std={':'.join(map(repr, std))}"
    preprocess = parse_preprocess(text + (",order=bgr" if bgr else ""))
    pixels = plan_pixels(preprocess, 3, ("nhwc", "nchw" if nchw else "nhwc"), np.dtype(np.float32), "d")
    expected = ((PIXELS / scale - np.array(mean)) / np.array(std)).astype(np.float32)
    expected = expected[..., ::-1] if bgr else expected
    values = pixels.apply(PIXELS)
    assert np.array_equal(values, expected.transpose(0, 3, 1, 2) if nchw else expected)
    assert values.flags.c_contiguous
    assert values.shape == pixels.shape(PIXELS.shape)


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS.transpose(0, 3, 1, 2)], ids=["nhwc", "nchw"])
@pytest.mark.parametrize("spec", [NCHW, NHWC], ids=["to nchw", "to nhwc"])
def test_both_layouts_go_to_both_layouts(tmp_path: Path, pixels: NDArray[Any], spec: TensorSpec) -> None:
    expected = PIXELS.astype(np.float32) / np.float32(255)
    values = feed(tmp_path, pixels, spec, "unit")
    assert values.dtype == np.float32
    assert np.array_equal(values, expected if spec is NHWC else expected.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_pixels_take_the_models_type(tmp_path: Path, dtype: str) -> None:
    values = feed(tmp_path, PIXELS, TensorSpec("image", dtype, (1, 3, 7, 5)), "signed")
    assert values.dtype == np.dtype(dtype)
    assert values.min() >= -1
    assert values.max() <= 1


@pytest.mark.parametrize(
    ("shape", "preprocess", "fed"),
    [
        ((None, 3, None, None), "unit", (6, 3, 7, 5)),
        ((None, None, None, 3), "unit", (6, 7, 5, 3)),
        ((None, None, None, None), "unit", (6, 3, 7, 5)),
        (None, "unit", (6, 3, 7, 5)),
        ((None, None, None, None), "unit,layout=nhwc", (6, 7, 5, 3)),
        (None, "unit,layout=nhwc", (6, 7, 5, 3)),
    ],
)
def test_the_models_layout_is_read_off_its_shape(
    tmp_path: Path, shape: tuple[int | None, ...] | None, preprocess: str, fed: tuple[int, ...]
) -> None:
    assert feed(tmp_path, PIXELS, TensorSpec("image", "float32", shape), preprocess).shape == fed


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_any_number_of_channels_that_the_model_has(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 9, channels), np.uint8)
    values = feed(tmp_path, pixels, TensorSpec("image", "float32", (1, channels, 8, 9)), "raw")
    assert np.array_equal(values, pixels.transpose(0, 3, 1, 2).astype(np.float32))


def test_pictures_without_preprocess_name_the_flag_to_add(tmp_path: Path) -> None:
    message = refusal(tmp_path, PIXELS, NCHW, None)
    assert "takes float32, the data is uint8" in message
    assert "add --preprocess unit if the network was trained on pixels / 255, or see convprof.data" in message


def test_an_alpha_channel_is_refused_with_a_remedy(tmp_path: Path) -> None:
    assert "x[..., :3]" in refusal(tmp_path, np.zeros((2, 7, 5, 4), np.uint8), NCHW, "unit")


def test_channels_that_do_not_fit_are_refused_with_both_shapes(tmp_path: Path) -> None:
    message = refusal(tmp_path, np.zeros((2, 7, 5, 1), np.uint8), NCHW, "unit")
    assert "(samples, 3, 7, 5)" in message
    assert "(2, 7, 5, 1)" in message


def test_sizes_that_do_not_fit_are_refused_with_both_shapes(tmp_path: Path) -> None:
    message = refusal(tmp_path, np.zeros((2, 8, 8, 3), np.uint8), NCHW, "unit")
    assert "takes (samples, 3, 7, 5), the data is (2, 3, 8, 8)" in message


def test_pictures_for_an_input_of_another_rank_are_refused(tmp_path: Path) -> None:
    assert "rank 4" in refusal(tmp_path, PIXELS, TensorSpec("v", "float32", (1, 60)), "unit")


@pytest.mark.parametrize("preprocess", [None, "unit"])
def test_uint8_of_another_rank_is_refused(tmp_path: Path, preprocess: str | None) -> None:
    message = refusal(tmp_path, PIXELS[..., 0], TensorSpec("image", "float32", (1, 1, 7, 5)), preprocess)
    assert "x[..., None]" in message


def test_float_data_and_preprocess_do_not_go_together(tmp_path: Path) -> None:
    message = refusal(tmp_path, np.zeros((2, 3, 7, 5), np.float32), NCHW, "unit")
    assert "--preprocess is for uint8 pictures" in message
    assert "float32" in message


def test_float_inputs_beside_pictures_go_in_as_they_are(tmp_path: Path) -> None:
    vector = np.ones((6, 2), np.float32)
    np.savez(tmp_path / "d.npz", image=PIXELS, v=vector)
    inputs = (NCHW, TensorSpec("v", "float32", (1, 2)))
    fed = open_data(str(tmp_path / "d.npz"), inputs, preprocess="unit").first(6)
    assert np.array_equal(fed["v"], vector)
    assert fed["image"].max() <= 1


def test_a_model_that_takes_uint8_gets_the_pixels(tmp_path: Path) -> None:
    wants_nhwc, wants_nchw = (TensorSpec("image", "uint8", spec.shape) for spec in (NHWC, NCHW))
    assert np.array_equal(feed(tmp_path, PIXELS, wants_nhwc, None), PIXELS)
    raw = feed(tmp_path, PIXELS, wants_nchw, "raw")
    assert raw.dtype == np.uint8
    assert np.array_equal(raw, PIXELS.transpose(0, 3, 1, 2))
    assert "(2, 7, 5, 3)" in refusal(tmp_path, PIXELS[:2], wants_nchw, None)


@pytest.mark.parametrize(("dtype", "preprocess"), [("uint8", "unit"), ("uint8", "imagenet"), ("int8", "raw")])
def test_a_model_of_integers_takes_pixels_only_as_they_are(tmp_path: Path, dtype: str, preprocess: str) -> None:
    assert "--preprocess raw" in refusal(tmp_path, PIXELS, TensorSpec("image", dtype, NCHW.shape), preprocess)


def test_values_beyond_the_models_type_are_refused(tmp_path: Path) -> None:
    spec = TensorSpec("image", "float16", NCHW.shape)
    assert "beyond float16" in refusal(tmp_path, PIXELS, spec, "scale=1e-9")
    assert "beyond float64" in refusal(tmp_path, PIXELS, TensorSpec("image", "float64", NCHW.shape), "scale=5e-324")


@pytest.mark.parametrize("key", ["mean", "std"])
def test_as_many_values_as_channels(tmp_path: Path, key: str) -> None:
    message = refusal(tmp_path, PIXELS, NCHW, f"unit,{key}=1:2")
    assert f"2 values of {key}" in message
    assert "3 channels" in message


def test_imagenet_does_not_go_with_grey_pictures(tmp_path: Path) -> None:
    spec = TensorSpec("image", "float32", (1, 1, 7, 5))
    assert "1 channel " in refusal(tmp_path, PIXELS[..., :1], spec, "imagenet") + " "
    assert feed(tmp_path, PIXELS[..., :1], spec, "unit,order=bgr").shape == (6, 1, 7, 5)


def test_bgr_is_for_three_channels(tmp_path: Path) -> None:
    spec = TensorSpec("image", "float32", (1, 4, 8, 9))
    assert "order=bgr" in refusal(tmp_path, np.zeros((2, 8, 9, 4), np.uint8), spec, "unit,order=bgr")


def test_size_is_for_picture_files(tmp_path: Path) -> None:
    assert feed(tmp_path, PIXELS, NCHW, "unit,size=7x5").shape == (6, 3, 7, 5)
    assert "scales picture files only" in refusal(tmp_path, PIXELS, NCHW, "unit,size=8")

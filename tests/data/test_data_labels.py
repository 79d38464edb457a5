"""Labels: integers as int64, targets as they are, label pictures in the units of a 0..1 output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convprof.data import open_data
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec

SPEC = TensorSpec("image", "float32", (1, 3, 7, 5))
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 7, 5, 3), np.uint8)


def source(path: Path, x: NDArray[Any] = PIXELS, **arrays: Any) -> str:
    np.savez(path / "d.npz", x=x, **arrays)
    return str(path / "d.npz")


def read(data: str, labels: str, preprocess: str | None = "unit", **options: Any) -> NDArray[Any]:
    found = open_data(data, (SPEC,), preprocess=preprocess, labels=labels, **options).labels
    assert found is not None
    return found


def refusal(data: str, labels: str) -> str:
    with pytest.raises(DataError) as caught:
        read(data, labels)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


def test_no_labels_unless_asked_for(tmp_path: Path) -> None:
    assert open_data(source(tmp_path, y=np.arange(6)), (SPEC,), preprocess="unit").labels is None


@pytest.mark.parametrize("dtype", ["uint8", "int32", ">i8", "uint16"])
def test_integer_vectors_become_int64(tmp_path: Path, dtype: str) -> None:
    labels = read(source(tmp_path, y=np.arange(6).astype(dtype)), "y")
    assert labels.dtype == np.int64
    assert labels.dtype.isnative
    assert labels.tolist() == list(range(6))


def test_a_limit_cuts_the_labels_too(tmp_path: Path) -> None:
    assert read(source(tmp_path, y=np.arange(6)), "y", limit=2).tolist() == [0, 1]


def test_labels_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.arange(6))
    assert read(source(tmp_path), str(tmp_path / "y.npy")).tolist() == list(range(6))


def test_float_targets_stay_as_they_are(tmp_path: Path) -> None:
    targets = np.linspace(0, 1, 12).reshape(6, 2)
    labels = read(source(tmp_path, y=targets), "y")
    assert labels.dtype == np.float64
    assert np.array_equal(labels, targets)


@pytest.mark.parametrize("clean", [PIXELS, PIXELS.transpose(0, 3, 1, 2)], ids=["nhwc", "nchw"])
def test_label_pictures_are_scaled_and_transposed_but_not_normalised(tmp_path: Path, clean: NDArray[Any]) -> None:
    labels = read(source(tmp_path, y=clean), "y", "imagenet")
    assert labels.dtype == np.float32
    assert np.array_equal(labels, PIXELS.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))


def test_label_pictures_follow_the_models_layout_and_order(tmp_path: Path) -> None:
    spec = TensorSpec("image", "float32", (1, 7, 5, 3))
    data = open_data(source(tmp_path, y=PIXELS), (spec,), preprocess="raw,order=bgr", labels="y")
    assert data.labels is not None
    assert np.array_equal(data.labels, PIXELS[..., ::-1].astype(np.float32))


def test_label_pictures_may_have_other_sizes_and_channels(tmp_path: Path) -> None:
    labels = read(source(tmp_path, y=np.zeros((6, 8, 10, 1), np.uint8)), "y", "imagenet")
    assert labels.shape == (6, 1, 8, 10)


def test_uint8_targets_beside_float_data_stay_as_they_are(tmp_path: Path) -> None:
    data = source(tmp_path, np.zeros((6, 3, 7, 5), np.float32), y=PIXELS)
    assert np.array_equal(read(data, "y", None), PIXELS)


def test_the_input_may_be_its_own_target(tmp_path: Path) -> None:
    assert np.array_equal(read(source(tmp_path), "x"), PIXELS.transpose(0, 3, 1, 2) / np.float32(255))


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (np.arange(5), "labels of shape (5,) for 6 samples"),
        (np.arange(7), "labels of shape (7,) for 6 samples"),
        (np.array(3), "labels of shape ()"),
        (np.array(list("abcdef")), "labels are <U1"),
        (np.array([{}] * 6), "labels are object"),
        (np.array([0, 1, 2, np.nan, 7, 5]), "target of sample 3 holds NaN"),
        (np.zeros((6, 7, 8, 9), np.uint8), "no axis of 1, 3 or 4 channels"),
    ],
)
def test_labels_that_do_not_go_are_refused(tmp_path: Path, labels: NDArray[Any], why: str) -> None:
    assert why in refusal(source(tmp_path, y=labels), "y")


def test_labels_that_are_not_there_are_refused(tmp_path: Path) -> None:
    data = source(tmp_path, t=np.arange(6))
    assert "no labels called 'y'; arrays found: x, t" in refusal(data, "y")
    assert "no labels called 'folders'" in refusal(data, "folders")
    assert "no such file of labels" in refusal(data, str(tmp_path / "none.npy"))


def test_a_broken_file_of_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "y.npy").write_bytes(b"broken")
    assert "not a readable .npy file" in refusal(source(tmp_path), str(tmp_path / "y.npy"))

"""DATA from folders of pictures: decoded batch by batch, scaled and cropped, or refused by name."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convprof.data import Batches, open_data
from convprof.data.pictures import SUFFIXES
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec

OPEN = TensorSpec("image", "float32", (None, 3, None, None))
GREY = TensorSpec("image", "float32", (None, 1, None, None))


def pixels(seed: int, height: int = 6, width: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, picture: NDArray[np.uint8] | Image.Image) -> None:
    path.parent.mkdir(exist_ok=True)
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path)


def opened(folder: Path, spec: TensorSpec = OPEN, preprocess: str | None = "unit", **options: Any) -> Batches:
    return open_data(str(folder), (spec,), preprocess=preprocess, **options)


def refusal(folder: Path, spec: TensorSpec = OPEN, preprocess: str | None = "unit", **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        opened(folder, spec, preprocess, **options).first(99)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


def test_pictures_come_sorted_by_name(tmp_path: Path) -> None:
    pictures = {name: pixels(seed) for seed, name in enumerate(["b.png", "a.PNG", "c.png"])}
    for name, picture in pictures.items():
        save(tmp_path / name, picture)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._a.png").write_text("no picture either")
    expected = np.stack([pictures[name] for name in ("a.PNG", "b.png", "c.png")]).transpose(0, 3, 1, 2)
    data = opened(tmp_path)
    assert data.shapes == {"image": (1, 3, 6, 8)}
    assert np.array_equal(data.first(9)["image"], expected.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"a{suffix}", pixels(0))
    assert opened(tmp_path).first(1)["image"].shape == (1, 3, 6, 8)


def test_classes_are_numbered_by_name(tmp_path: Path) -> None:
    for name in ("dog/b.png", "cat/z.png", "dog/a.png"):
        save(tmp_path / name, pixels(len(name)))
    (tmp_path / "cow").mkdir()
    data = opened(tmp_path, labels="folders")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 2, 2]
    assert data.labels.dtype == np.int64
    assert opened(tmp_path, labels="folders", limit=1).labels == [0]


def test_classes_of_pictures_beside_the_folders_are_unknown(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", pixels(0))
    save(tmp_path / "b.png", pixels(1))
    assert opened(tmp_path).count == 2
    assert "every picture is in a class subfolder" in refusal(tmp_path, labels="folders")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in refusal(tmp_path)


def test_a_folder_feeds_one_input(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0))
    with pytest.raises(DataError, match=r"the model has image, v \(store an array for each input"):
        open_data(str(tmp_path), (OPEN, TensorSpec("v", "float32", (1, 2))), preprocess="unit")


def test_without_preprocess_the_flag_is_named_unless_the_model_takes_uint8(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0))
    assert "add --preprocess unit" in refusal(tmp_path, preprocess=None)
    data = opened(tmp_path, TensorSpec("image", "uint8", (None, None, None, 3)), None)
    assert np.array_equal(data.first(1)["image"][0], pixels(0))


def test_the_models_own_size_is_taken(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0, 20, 31))
    save(tmp_path / "b.png", pixels(0, 11, 7))
    nchw, nhwc = (TensorSpec("image", "float32", shape) for shape in ((1, 3, 9, 12), (1, 9, 12, 3)))
    assert opened(tmp_path, nchw).first(2)["image"].shape == (2, 3, 9, 12)
    assert opened(tmp_path, nhwc).first(2)["image"].shape == (2, 9, 12, 3)


def test_a_size_against_the_models_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0))
    message = refusal(tmp_path, TensorSpec("image", "float32", (1, 3, 9, 12)), "unit,size=10")
    assert "takes (samples, 3, 9, 12), the data is (1, 3, 10, 10)" in message


def test_several_sizes_need_one_to_be_given(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0))
    save(tmp_path / "b.png", pixels(0, 8, 6))
    message = refusal(tmp_path)
    assert "a.png and b.png differ in size" in message
    assert "size=6x8" in message
    assert opened(tmp_path, preprocess="unit,size=5").first(2)["image"].shape == (2, 3, 5, 5)
    assert opened(tmp_path, limit=1).first(2)["image"].shape == (1, 3, 6, 8)


def test_scaling_covers_and_crops_around_the_centre(tmp_path: Path) -> None:
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 50:] = 200
    save(tmp_path / "a.png", picture)
    values = opened(tmp_path, preprocess="raw,size=20").first(1)["image"][0]
    assert values.shape == (3, 20, 20)
    assert np.all(values[..., :9] == 0)
    assert np.all(values[..., 11:] == 200)
    expected = Image.fromarray(picture).resize((50, 20), Image.Resampling.BILINEAR).crop((15, 0, 35, 20))
    assert np.array_equal(values, np.asarray(expected).transpose(2, 0, 1).astype(np.float32))


def test_scaling_up_and_to_flat_sizes_always_covers(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((3, 7, 3), 77, np.uint8))
    for height, width in ((50, 3), (3, 50), (19, 23), (1, 1)):
        values = opened(tmp_path, preprocess=f"raw,size={height}x{width}").first(1)["image"]
        assert values.shape == (1, 3, height, width)
        assert np.all(values == 77)


def test_grey_and_colour_meet_the_models_channels(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0)[..., 0])
    save(tmp_path / "b.png", np.stack([pixels(0)[..., 0]] * 3, axis=-1))
    save(tmp_path / "c.png", Image.fromarray(pixels(0)[..., 0]).convert("P"))
    rgb, grey = opened(tmp_path).first(3)["image"], opened(tmp_path, GREY).first(3)["image"]
    assert np.array_equal(rgb, np.repeat(grey, 3, axis=1))
    assert np.array_equal(rgb[0], rgb[1])
    assert np.array_equal(rgb[0], rgb[2])


def test_other_numbers_of_channels_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0))
    assert "has 4 channels" in refusal(tmp_path, TensorSpec("image", "float32", (None, 4, None, None)))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_refused_with_a_remedy(tmp_path: Path, mode: str) -> None:
    save(tmp_path / "a.png", Image.new(mode, (8, 6)))
    message = refusal(tmp_path)
    assert "a.png: has an alpha channel" in message
    assert "flatten" in message


def test_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", Image.fromarray(np.full((6, 8), 60000, np.uint16)))
    assert "more than 8 bits" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert "a.png: cannot be decoded" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_a_truncated_picture_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    save(path, pixels(0, 64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"a{suffix}: cannot be decoded" in refusal(tmp_path, preprocess="unit,size=64")


def test_pictures_are_decoded_only_when_asked_for(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0))
    (tmp_path / "b.png").write_bytes(b"broken")
    batches = opened(tmp_path, preprocess="unit,size=6x8").batches(1)
    assert next(batches)["image"].shape == (1, 3, 6, 8)
    with pytest.raises(DataError, match=r"b\.png"):
        next(batches)


@pytest.mark.parametrize("guard", [30, 20])
def test_pillows_size_guard_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: int) -> None:
    save(tmp_path / "a.png", pixels(0))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", guard)
    assert "a.png: is larger, or would be once scaled, than" in refusal(tmp_path)


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    body = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 99) + b"IDAT")
    assert "Pillow's guard" in refusal(tmp_path)


def test_a_size_beyond_memory_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0, 1, 1))
    assert "a.png: is larger, or would be once scaled" in refusal(tmp_path, preprocess="unit,size=99999")


def test_a_missing_pillow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png", pixels(0))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert 'pip install "convprof[pictures]"' in refusal(tmp_path)


def test_order_reverses_the_channels_after_the_statistics(tmp_path: Path) -> None:
    save(tmp_path / "a.png", pixels(0))
    forwards, backwards = (opened(tmp_path, preprocess=text) for text in ("imagenet", "imagenet,order=bgr"))
    assert np.array_equal(forwards.first(1)["image"][:, ::-1], backwards.first(1)["image"])

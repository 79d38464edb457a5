"""DATA from .npz and .npy files: what fits goes in as it is, what does not is refused in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convprof.data import arrays, open_data
from convprof.errors import DataError, UsageError
from convprof.records.analysis import TensorSpec

Array = NDArray[Any]
VECTOR = TensorSpec("v", "float32", (None, 3))
IMAGE = TensorSpec("image", "float32", (1, 3, 4, 5))


def floats(count: int, *sizes: int, dtype: str = "float32") -> Array:
    return np.random.default_rng(0).standard_normal((count, *sizes)).astype(dtype)


def save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def refusal(source: str, *inputs: TensorSpec, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        open_data(source, inputs, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


def test_arrays_named_as_the_inputs_go_in_unchanged(tmp_path: Path) -> None:
    image, vector = floats(7, 3, 4, 5), floats(7, 3)
    data = open_data(save(tmp_path / "d.npz", image=image, v=vector, extra=floats(2)), (IMAGE, VECTOR))
    feeds = list(data.batches(3))
    assert [len(feed["v"]) for feed in feeds] == [3, 3, 1]
    assert np.array_equal(np.concatenate([feed["image"] for feed in feeds]), image)
    assert np.array_equal(np.concatenate([feed["v"] for feed in feeds]), vector)
    assert all(feed["image"].dtype == np.float32 and feed["image"].flags.writeable for feed in feeds)


@pytest.mark.parametrize("names", [("x",), ("x", "y"), ("only",), ("v", "x")])
def test_a_single_input_takes_its_name_or_x_or_the_only_array(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = {name: floats(2, 3) + number for number, name in enumerate(names)}
    data = open_data(save(tmp_path / "d.npz", **arrays), (VECTOR,))
    assert np.array_equal(data.first(9)["v"], arrays[names[0]])


def test_a_single_input_takes_the_only_array_besides_the_labels(tmp_path: Path) -> None:
    source = save(tmp_path / "d.npz", t=np.arange(2), samples=floats(2, 3))
    assert open_data(source, (VECTOR,), labels="t").count == 2
    assert "arrays found: t, samples" in refusal(source, VECTOR)


def test_a_missing_array_is_named_with_what_was_found_and_wanted(tmp_path: Path) -> None:
    message = refusal(save(tmp_path / "d.npz", image=floats(2, 3, 4, 5)), IMAGE, VECTOR)
    assert "input v" in message
    assert "arrays found: image" in message
    assert "inputs wanted: image, v" in message


def test_an_archive_without_arrays_is_refused(tmp_path: Path) -> None:
    assert "arrays found: none" in refusal(save(tmp_path / "d.npz"), VECTOR)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("limit", [None, 2, 99])
def test_limit_reads_the_first_samples(tmp_path: Path, order: Any, compressed: bool, limit: int | None) -> None:
    values = np.array(floats(5, 3), order=order)
    (np.savez_compressed if compressed else np.savez)(tmp_path / "d.npz", v=values)
    data = open_data(str(tmp_path / "d.npz"), (VECTOR,), limit=limit)
    assert data.count == min(5, limit or 5)
    assert np.array_equal(data.first(9)["v"], values[: data.count])


def test_a_limit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--limit: 0"):
        open_data(save(tmp_path / "d.npz", v=floats(2, 3)), (VECTOR,), limit=0)


def test_npy_feeds_a_single_input(tmp_path: Path) -> None:
    values = floats(4, 3)
    np.save(tmp_path / "d.npy", values)
    assert np.array_equal(open_data(str(tmp_path / "d.npy"), (VECTOR,)).first(4)["v"], values)
    assert "image, v" in refusal(str(tmp_path / "d.npy"), IMAGE, VECTOR)


def test_members_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    data = open_data(save(path, v=floats(4, 3)), (VECTOR,))
    path.unlink()
    with pytest.raises(DataError, match="'v' cannot be read"):
        data.first(1)


def test_a_file_that_changes_under_way_is_noticed(tmp_path: Path) -> None:
    data = open_data(save(tmp_path / "d.npz", v=floats(4, 3)), (VECTOR,))
    save(tmp_path / "d.npz", v=floats(2, 3))
    with pytest.raises(DataError, match="it changed while it was in use"):
        data.first(1)


@pytest.mark.parametrize("source", ["none.npz", "none.npy", "none", "no/where.npz", "a:b:c", "n\0ul", "x" * 5000])
def test_a_missing_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert "DATA is a .npz or .npy file" in refusal(source, VECTOR)


def test_another_extension_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("1,2,3")
    assert "*.csv are not understood" in refusal(str(tmp_path / "d.csv"), VECTOR)


def test_a_place_inside_a_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be opened" in refusal(save(tmp_path / "d.npz", v=floats(2, 3)) + "/inner.npz", VECTOR)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04]"])
def test_something_else_under_that_name_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"d{suffix}"
    path.write_bytes(content)
    assert f"not a readable {suffix} file" in refusal(str(path), VECTOR)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"d{suffix}"
    if suffix == ".npz":
        save(path, v=floats(1000, 3))
    else:
        np.save(path, floats(1000, 3))
    path.write_bytes(path.read_bytes()[:5000])
    assert "not a readable" in refusal(str(path), VECTOR)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    save(path, v=np.ones((1000, 3), np.float32))
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        open_data(str(path), (VECTOR,)).first(1)


@pytest.mark.parametrize("shape", ["(9000000000000, 3)", "(2, 3, -1)", "(2.5,)", "()[", "(" * 300])
def test_a_header_that_lies_is_refused(tmp_path: Path, shape: str) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("v.npy", header + bytes(24))
    (tmp_path / "d.npy").write_bytes(header + bytes(24))
    for name in ("d.npz", "d.npy"):
        assert refusal(str(tmp_path / name), VECTOR)


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}, {"b": 2}])
    assert "never unpickled" in refusal(save(tmp_path / "d.npz", v=objects), VECTOR)
    np.save(tmp_path / "d.npy", objects, allow_pickle=True)
    assert "Python objects" in refusal(str(tmp_path / "d.npy"), VECTOR)


def test_objects_that_nobody_asked_for_do_no_harm(tmp_path: Path) -> None:
    source = save(tmp_path / "d.npz", v=floats(2, 3), notes=np.array([{"a": 1}]))
    assert open_data(source, (VECTOR,)).first(1)["v"].shape == (1, 3)


@pytest.mark.parametrize(
    ("shape", "why"),
    [((2, 3, 1), "(2, 3, 1)"), ((2,), "(2,)"), ((2, 4), "(2, 4)"), ((), "a single number"), ((0, 3), "is empty")],
)
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_wrong_ranks_and_sizes_are_refused(tmp_path: Path, shape: tuple[int, ...], why: str, suffix: str) -> None:
    path = tmp_path / f"d{suffix}"
    values = np.zeros(shape, np.float32)
    if suffix == ".npz":
        save(path, v=values)
    else:
        np.save(path, values)
    assert why in refusal(str(path), VECTOR)


def test_a_wrong_size_names_the_input_both_shapes_and_the_remedy(tmp_path: Path) -> None:
    message = refusal(save(tmp_path / "d.npz", image=floats(2, 4, 5, 3)), IMAGE)
    assert "'image' takes (samples, 3, 4, 5), the data is (2, 4, 5, 3)" in message
    assert "store the data in the model's shape" in message


def test_samples_of_no_size_are_refused(tmp_path: Path) -> None:
    spec = TensorSpec("v", "float32", (None, None, 3))
    assert "is empty: (2, 0, 3)" in refusal(save(tmp_path / "d.npz", v=np.zeros((2, 0, 3), np.float32)), spec)


def test_unequal_sample_counts_are_refused_even_beyond_the_limit(tmp_path: Path) -> None:
    source = save(tmp_path / "d.npz", image=floats(6, 3, 4, 5), v=floats(5, 3))
    assert "unequal sample counts: image 6, v 5" in refusal(source, IMAGE, VECTOR, limit=2)


def test_the_models_batch_size_does_not_matter(tmp_path: Path) -> None:
    spec = TensorSpec("v", "float32", (4, 3))
    assert open_data(save(tmp_path / "d.npz", v=floats(7, 3)), (spec,)).count == 7


@pytest.mark.parametrize("shape", [None, (None, None), ("N", 3)])
def test_open_shapes_take_what_there_is(tmp_path: Path, shape: Any) -> None:
    known = None if shape is None else tuple(size if isinstance(size, int) else None for size in shape)
    data = open_data(save(tmp_path / "d.npz", v=floats(7, 3)), (TensorSpec("v", "float32", known),))
    assert data.shapes == {"v": (1, 3)}


@pytest.mark.parametrize(
    ("stored", "model"),
    [
        ("float16", "float32"),
        ("float64", "float32"),
        (">f8", "float32"),
        (">f4", "float32"),
        ("int16", "float32"),
        ("bool", "float32"),
        ("uint8", "int64"),
        ("uint8", "uint8"),
        ("int32", "int64"),
        ("float32", "float64"),
        ("bool", "bool"),
    ],
)
def test_casts_that_keep_the_values_are_made(tmp_path: Path, stored: str, model: str) -> None:
    values = np.arange(6).reshape(2, 3).astype(stored)
    fed = open_data(save(tmp_path / "d.npz", v=values), (TensorSpec("v", model, (None, 3)),)).first(2)["v"]
    assert fed.dtype == np.dtype(model)
    assert fed.dtype.isnative
    assert np.array_equal(fed, values)


@pytest.mark.parametrize(
    ("stored", "model"),
    [
        ("int64", "int32"),
        ("float32", "float16"),
        ("float64", "float16"),
        ("int64", "float32"),
        ("float32", "int64"),
        ("complex64", "float32"),
        ("U3", "float32"),
        ("M8[s]", "float32"),
        ("float32", "uint8"),
        ("i4,f4", "float32"),
    ],
)
def test_other_casts_are_refused_with_both_types(tmp_path: Path, stored: str, model: str) -> None:
    values = np.zeros((2, 3), stored)
    message = refusal(save(tmp_path / "d.npz", v=values), TensorSpec("v", model, (None, 3)))
    assert f"takes {model}, the data is {values.dtype}" in message
    assert f"astype('{model}')" in message


@pytest.mark.parametrize("dtype", ["object", "bfloat16", "str", "complex64", "no such type"])
def test_inputs_that_arrays_cannot_feed_are_refused(tmp_path: Path, dtype: str) -> None:
    message = refusal(save(tmp_path / "d.npz", v=floats(2, 3)), TensorSpec("v", dtype, (None, 3)))
    assert f"takes {dtype}" in message


def test_a_model_without_inputs_is_refused(tmp_path: Path) -> None:
    assert "no inputs" in refusal(save(tmp_path / "d.npz", v=floats(2, 3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_its_first_sample(tmp_path: Path, bad: float) -> None:
    values = floats(9, 3)
    values[5, 1] = values[7, 0] = bad
    data = open_data(save(tmp_path / "d.npz", v=values), (VECTOR,))
    batches = data.batches(4)
    assert len(next(batches)["v"]) == 4
    with pytest.raises(DataError, match="sample 5 for input 'v' holds NaN, Inf"):
        next(batches)
    with pytest.raises(DataError, match="sample 5 "):
        data.slice(3, 9).first(6)


def test_float64_beyond_float32_is_refused(tmp_path: Path) -> None:
    data = open_data(save(tmp_path / "d.npz", v=np.full((2, 3), 1e300)), (VECTOR,))
    with pytest.raises(DataError, match=r"sample 0 .* beyond float32"):
        data.first(1)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_stored_array_stays_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Any) -> None:
    values = np.asarray(np.arange(60, dtype=np.float32).reshape(20, 3), order=order)
    place, spec = tmp_path / "d.npz", (TensorSpec("v", "float32", (None, 3)),)
    np.savez(place, v=values, other=np.zeros(7))
    monkeypatch.setattr(arrays, "LARGE", 200)
    opened = open_data(str(place), spec)
    column = opened.feeds[0].column
    rows = column.rows(0, 20)
    assert isinstance(rows, np.memmap)
    assert np.array_equal(rows, values)
    assert np.array_equal(opened.pick(np.array([7, 0, 7]))["v"], values[[7, 0, 7]])
    np.savez_compressed(place, v=values)
    assert not isinstance(open_data(str(place), spec).feeds[0].column.rows(0, 20), np.memmap)


def test_an_archive_that_lies_about_its_places_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "LARGE", 1)
    place = tmp_path / "d.npz"
    np.savez(place, v=np.zeros((20, 3), np.float32))
    column = arrays.read_npz(place, None)["v"]
    np.savez(place, v=np.zeros((30, 3), np.float32))
    with pytest.raises(DataError, match="changed while it was in use"):
        column.rows(0, 1)

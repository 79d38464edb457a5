"""Batches: any batch size gives the same samples, parts are Batches again, and the fingerprint tells data apart."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from convprof.data import Batches, open_data
from convprof.errors import DataError, UsageError
from convprof.records.analysis import TensorSpec

SPEC = TensorSpec("v", "float32", (None, 3))


def opened(path: Path, shift: float = 0.0, name: str = "v", limit: int | None = None) -> Batches:
    values = np.arange(30, dtype=np.float32).reshape(10, 3) + np.float32(shift)
    np.savez(path / "d.npz", x=values, y=np.arange(10))
    return open_data(str(path / "d.npz"), (TensorSpec(name, "float32", (None, 3)),), labels="y", limit=limit)


@pytest.mark.parametrize("size", [1, 3, 10, 99])
def test_every_batch_size_gives_the_same_samples(tmp_path: Path, size: int) -> None:
    feeds = [feed["v"] for feed in opened(tmp_path).batches(size)]
    assert np.array_equal(np.concatenate(feeds), np.arange(30, dtype=np.float32).reshape(10, 3))
    assert all(len(feed) == min(size, 10) for feed in feeds[:-1])


def test_batches_can_be_gone_through_again_and_changed_by_their_reader(tmp_path: Path) -> None:
    data = opened(tmp_path)
    data.first(10)["v"][:] = -1
    assert data.first(10)["v"].min() == 0


def test_a_part_is_batches_again(tmp_path: Path) -> None:
    data = opened(tmp_path)
    part = data.slice(2, 99).slice(1, 4)
    assert (part.count, part.what, part.shapes) == (3, data.what, {"v": (1, 3)})
    assert part.labels is not None
    assert part.labels.tolist() == [3, 4, 5]
    assert part.first(9)["v"][:, 0].tolist() == [9, 12, 15]
    assert data.take(4).count == 4
    assert data.take(99).count == 10


def test_samples_are_picked_by_number_in_any_order(tmp_path: Path) -> None:
    part = opened(tmp_path).slice(2, 9)
    assert part.pick(np.array([5, 0, 5]))["v"][:, 0].tolist() == [21, 6, 21]
    np.save(tmp_path / "d.npy", np.arange(30, dtype=np.float32).reshape(10, 3))
    mapped = open_data(str(tmp_path / "d.npy"), (SPEC,)).slice(2, 9)
    assert mapped.pick(np.array([5, 0, 5]))["v"][:, 0].tolist() == [21, 6, 21]


@pytest.mark.parametrize(("start", "stop"), [(3, 3), (4, 3), (-1, 3), (10, 12)])
def test_an_empty_part_is_refused(tmp_path: Path, start: int, stop: int) -> None:
    with pytest.raises(DataError, match="no samples in"):
        opened(tmp_path).slice(start, stop)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        opened(tmp_path).batches(size)


def test_the_fingerprint_is_the_datas(tmp_path: Path) -> None:
    data = opened(tmp_path)
    assert re.fullmatch("[0-9a-f]{64}", data.fingerprint)
    assert opened(tmp_path).fingerprint == data.fingerprint
    assert opened(tmp_path, limit=4).fingerprint == data.take(4).fingerprint
    unlabelled = open_data(str(tmp_path / "d.npz"), (SPEC,))
    fingerprints = {part.fingerprint for part in (data, data.take(9), data.slice(1, 10), unlabelled)}
    fingerprints |= {opened(tmp_path, shift=1).fingerprint, opened(tmp_path, name="w").fingerprint}
    assert len(fingerprints) == 6


@pytest.mark.parametrize("name", ["count", "labels", "start"])
def test_batches_are_frozen(tmp_path: Path, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(opened(tmp_path), name, 3)

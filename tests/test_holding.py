"""Values beyond the budget lie in files, come back as they were, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from convprof.errors import OutputError
from convprof.holding import Store

RANDOM = np.random.default_rng(0)
ARRAYS: dict[str, NDArray[Any]] = {
    "float32": RANDOM.standard_normal((3, 4, 5)).astype(np.float32),
    "not contiguous": RANDOM.standard_normal((3, 4, 5)).astype(np.float32).transpose(2, 0, 1),
    "float64": np.array([np.nan, -0.0, np.inf]),
    "float16": RANDOM.standard_normal((2, 3)).astype(np.float16),
    "bfloat16": np.array([1.5, -2.25], ml_dtypes.bfloat16),
    "int64": np.arange(6).reshape(2, 3),
    "bool": np.array([True, False]),
    "no axes": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "strings": np.array(["a", "bc"], object),
}


@pytest.mark.parametrize("budget", [None, 1 << 20, 0])
@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_put_in_comes_back(tmp_path: Path, name: str, budget: int | None) -> None:
    array = ARRAYS[name]
    with Store(budget, tmp_path) as store:
        held = store.put(array)
        back = store.get(held)
        assert (held.dtype, held.shape, held.ndim, held.nbytes) == (array.dtype, array.shape, array.ndim, array.nbytes)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tolist() == array.tolist() or back.tobytes() == array.tobytes()
        assert bool(list(tmp_path.rglob("*"))) == (budget == 0 and name not in ("strings", "empty"))
    assert not list(tmp_path.iterdir())


def test_memory_stays_within_the_budget_and_is_used_again(tmp_path: Path) -> None:
    array = np.zeros(100, np.float32)
    with Store(1000, tmp_path) as store:
        held = [store.put(array) for _ in range(4)]
        assert [each.path is None for each in held] == [True, True, False, False]
        assert store.in_memory == 800
        store.drop(held[0])
        store.drop(held[2])
        assert store.in_memory == 400
        assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
        assert store.put(array).path is None


def test_a_value_goes_with_its_last_owner(tmp_path: Path) -> None:
    with Store(1000, tmp_path) as store:
        held = store.put(np.zeros(100, np.float32))
        assert store.put(held) is held
        assert store.in_memory == 400
        store.drop(held)
        assert store.get(held).shape == (100,)
        store.drop(held)
        assert store.in_memory == 0
        with pytest.raises(ValueError, match="dropped"):
            store.get(held)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_files_vanish_whatever_ends_the_work(tmp_path: Path, error: type[BaseException]) -> None:
    def work() -> None:
        with Store(0, tmp_path) as store:
            store.put(np.zeros(3))
            assert list(tmp_path.iterdir())
            raise error("stop")

    with pytest.raises(error, match="stop"):
        work()
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with Store(0, tmp_path / "lost") as store, pytest.raises(OutputError, match="--memory"):
        store.put(np.zeros(3))

"""DATA from `package.module:function`: feeds are joined, and whatever the user's code does ends in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convprof.data import Batches, open_data
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec

VECTOR = TensorSpec("v", "float32", (None, 3))
FLAG = TensorSpec("flag", "int64", (None,))
numbering = count()

Writer = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    """Writes a module `....feeds` into the working directory and returns how DATA calls its function `feeds`."""
    monkeypatch.chdir(tmp_path)

    def write_module(body: str) -> str:
        package = f"user_package_{next(numbering)}"
        (tmp_path / package).mkdir()
        (tmp_path / package / "module.py").write_text(f"import numpy as np\nimport sys\n{body}\n")
        return f"{package}.module:feeds"

    return write_module


def generator(body: str) -> str:
    return "def feeds():\n    " + body.replace("\n", "\n    ")


def opened(source: str, *inputs: TensorSpec, **options: Any) -> Batches:
    return open_data(source, inputs or (VECTOR,), **options)


def refusal(source: str, *inputs: TensorSpec, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        opened(source, *inputs, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


def test_feeds_are_joined(write: Writer) -> None:
    source = write(generator("for i in range(3): yield {'v': np.full((2, 3), i, 'f4'), 'flag': np.array([i, i])}"))
    data = opened(source, VECTOR, FLAG)
    assert data.count == 6
    assert data.first(6)["flag"].tolist() == [0, 0, 1, 1, 2, 2]
    assert data.first(6)["v"][:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_plain_arrays_feed_a_single_input(write: Writer) -> None:
    source = write("def feeds(): return [np.zeros((2, 3), 'f4'), np.ones((1, 3), 'f4')]")
    assert opened(source).first(3)["v"][:, 0].tolist() == [0, 0, 1]
    assert "inputs wanted: v, flag" in refusal(source, VECTOR, FLAG)


def test_arrays_that_are_filled_again_are_copied(write: Writer) -> None:
    source = write(generator("x = np.zeros((1, 3), 'f4')\nfor i in range(3):\n    x += 1\n    yield x"))
    assert opened(source).first(3)["v"][:, 0].tolist() == [1, 2, 3]


def test_a_limit_ends_an_endless_generator(write: Writer) -> None:
    source = write(generator("while True: yield {'v': np.ones((4, 3), 'f4'), 't': np.arange(4)}"))
    data = opened(source, limit=6, labels="t")
    assert data.count == 6
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 3, 0, 1]


def test_labels_from_a_file_are_compared_with_all_samples(write: Writer, tmp_path: Path) -> None:
    source = write(generator("for i in range(3): yield np.ones((4, 3), 'f4')"))
    np.save("labels.npy", np.arange(12))
    assert opened(source, limit=5, labels="labels.npy").count == 5
    np.save("labels.npy", np.arange(13))
    assert "12 samples" in refusal(source, limit=5, labels="labels.npy")


def test_pictures_are_preprocessed(write: Writer) -> None:
    source = write(generator("yield np.full((2, 4, 5, 3), 51, 'u1')"))
    spec = TensorSpec("image", "float32", (1, 3, 4, 5))
    assert np.all(opened(source, spec, preprocess="unit").first(2)["image"] == np.float32(0.2))


def test_the_working_directory_is_importable_only_during_the_import(write: Writer) -> None:
    before = list(sys.path)
    opened(write(generator("assert '' not in sys.path[:1]\nyield np.ones((1, 3), 'f4')")))
    assert sys.path == before
    refusal(write("raise ValueError('early')"))
    assert sys.path == before


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise ValueError('two\\nlines')", "cannot be imported: ValueError: two lines"),
        ("def feeds(:", "cannot be imported: SyntaxError"),
        ("import no_such_module_here", "ModuleNotFoundError"),
        ("sys.exit(3)", "cannot be imported: SystemExit: 3"),
        ("", "has no function feeds"),
        ("feeds = 3", "has no function feeds"),
        ("def feeds(): raise KeyError('k')", "failed: KeyError: 'k'"),
        ("def feeds(a): return a", "failed: TypeError"),
        (generator("yield np.ones((1, 3), 'f4')\nraise OSError('gone')"), "failed: OSError: gone"),
        (generator("yield np.ones((1, 3), 'f4')\nsys.exit()"), "failed: SystemExit"),
        ("def feeds(): return 3", "returns int"),
        ("def feeds(): return np.ones((4, 3), 'f4')", "returns one ndarray"),
        ("def feeds(): return {'v': np.ones((4, 3), 'f4')}", "returns one dict"),
        ("def feeds(): return []", "yields nothing"),
        (generator("yield {}"), "feed 0 is empty"),
        (generator("yield None"), "feed 0: 'x' is not an array"),
        (generator("yield 'text'"), "feed 0: 'x' is not an array"),
        (generator("yield {'v': [[1, 2, 3], [4]]}"), "feed 0 is not made of arrays: ValueError"),
        (generator("yield {'v': np.float32(1)}"), "feed 0: 'v' is not an array"),
        (generator("yield {'v': np.ones((2, 3)), 'w': np.ones(3)}"), "unequal sample counts: v 2, w 3"),
        (generator("yield {'v': np.ones((2, 3))}\nyield {'w': np.ones((2, 3))}"), "feed 1 has the names w"),
        (generator("yield np.ones((2, 3))\nyield np.ones((2, 4))"), "feed 1 has 'x' as float64 (2, 4)"),
        (generator("yield np.ones((2, 3))\nyield np.ones((2, 3), 'f4')"), "feed 1 has 'x' as float32"),
        (generator("yield np.ones((0, 3), 'f4')"), "is empty"),
        (generator("yield {'w': np.ones((2, 3), 'f4'), 'u': np.ones((2, 3), 'f4')}"), "arrays found: w, u"),
    ],
)
def test_what_goes_wrong_in_the_users_code_is_one_line(write: Writer, body: str, why: str) -> None:
    source = write(body)
    message = refusal(source)
    assert why in message
    assert message.startswith(source)


def test_a_missing_module_is_refused() -> None:
    assert "No module named 'no_such_package'" in refusal("no_such_package.data:feeds")

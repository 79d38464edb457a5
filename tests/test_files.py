"""Files appear whole or not at all, and nothing is written over what is not a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from convprof.errors import DataError, OutputError
from convprof.files import keep_apart, read_record, staged, write_text
from convprof.records.plan import Plan


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_staged_appears_at_the_end(tmp_path: Path) -> None:
    final = tmp_path / "a" / "b"
    with staged(final) as folder:
        (folder / "one").write_text("1")
        (folder / "two").write_text("2")
        assert not (final / "one").exists()
    assert names(final) == {"one", "two"}


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_nothing_appears_where_the_work_failed(tmp_path: Path, error: type[BaseException]) -> None:
    def work() -> None:
        with staged(tmp_path / "a" / "b") as folder:
            (folder / "one").write_text("1")
            raise error("stop")

    with pytest.raises(error, match="stop"):
        work()
    assert names(tmp_path) == set()


def test_what_was_there_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old")
    (tmp_path / "other").write_text("mine")
    with staged(tmp_path) as folder:
        (folder / "one").write_text("new")
    assert ((tmp_path / "one").read_text(), (tmp_path / "other").read_text()) == ("new", "mine")


def test_a_folder_in_the_way_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()

    def work() -> None:
        with staged(tmp_path) as folder:
            (folder / "one").write_text("1")
            (folder / "two").write_text("2")

    with pytest.raises(OutputError, match="two"):
        work()
    assert names(tmp_path) == {"two"}


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def work(folder: Path) -> None:
        with staged(folder):
            raise AssertionError("there is no place to work in")

    for folder in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / ("n" * 300)):
        with pytest.raises(OutputError):
            work(folder)
    assert names(tmp_path) == {"file"}


def test_texts_are_written_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "text", "grüße \udcff")
    assert (tmp_path / "a" / "text").read_text() == "grüße \\udcff"
    assert names(tmp_path / "a") == {"text"}


@pytest.mark.parametrize("place", ["", "file/text", "n" * 300])
def test_texts_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_text(tmp_path / place, "text")
    assert names(tmp_path) == {"file"}


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_model_is_not_written_over(tmp_path: Path) -> None:
    model, other = tmp_path / "model", tmp_path / "other"
    model.touch()
    (tmp_path / "link").symlink_to(model)
    for output in (model, tmp_path / "." / "model", tmp_path / "link"):
        with pytest.raises(OutputError, match="the model being read"):
            keep_apart(output, [other, model])
    with pytest.raises(OutputError, match="a folder"):
        keep_apart(tmp_path, [])
    keep_apart(other, [model])


PLAN = {"schema": "convprof.plan/1", "model": {"path": "m", "sha256": "0"}, "layers": []}


def test_records_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN))
    assert read_record(path, Plan).model.path == "m"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "plan"),
        ("{", "plan"),
        ("[]", "array"),
        ("\xff", "plan"),
        ("[" * 100_000, "plan"),
        (json.dumps({**PLAN, "schema": "convprof.run/1"}), "schema"),
        (json.dumps({**PLAN, "layers": [{"name": 1}]}), r"layers\[\S+\]\.name"),
        (json.dumps({"schema": "convprof.plan/1"}), "model"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=why) as caught:
        read_record(path, Plan)
    assert caught.value.what == str(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "lost"):
        with pytest.raises(DataError):
            read_record(path, Plan)
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(DataError, match="larger"):
        read_record(large, Plan)

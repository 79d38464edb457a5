"""A fit that was cut short goes on where it ended and gives what it would have given; nothing else is taken for one."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from networks import pictures, prepared
from test_fitting_memory import same

from convprof import fitting
from convprof.data import Batches
from convprof.errors import ConvprofError, DataError, OutputError, UsageError
from convprof.graph import Model
from convprof.holding import Array
from convprof.records.factors import FittedConv
from convprof.records.plan import Plan
from convprof.runtime import RunOptions

OPTIONS = RunOptions()
Problem = tuple[Model, Plan, Batches]


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return prepared(tmp_path)


def keep(folder: Path, problem: Problem, *, resume: bool = False, seed: int = 0) -> fitting.KeptLayers:
    return fitting.keep(folder / "out", *problem, OPTIONS, seed, resume)


def fit(problem: Problem, kept: fitting.KeptLayers, stop_after: int | None = None) -> tuple[FittedConv, ...]:
    def progress(what: str, done: int, total: int) -> None:
        if done == stop_after:
            raise KeyboardInterrupt

    return fitting.fit(*problem, options=OPTIONS, seed=0, kept=kept, progress=progress)


def cut_short(folder: Path, problem: Problem, layers: int) -> Path:
    """Where a fit that was stopped after some layers has left them."""
    with pytest.raises(KeyboardInterrupt) as caught, keep(folder, problem) as kept:
        fit(problem, kept, layers)
    assert caught.value.__notes__ == [
        f"{layers} of 5 fitted layers are kept in {folder / 'out.fit'}: the same command with --resume goes on from "
        "there"
    ]
    return folder / "out.fit"


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_what_goes_on_ends_as_what_was_never_stopped(tmp_path: Path, problem: Problem, layers: int) -> None:
    whole = fitting.fit(*problem, options=OPTIONS, seed=0)
    folder = cut_short(tmp_path, problem, layers)
    names = {f"{number:05}.npz" for number in range(1, layers + 1)} | {"key.json"}
    assert {path.name for path in folder.iterdir()} == names
    with keep(tmp_path, problem, resume=True) as kept:
        assert same(fit(problem, kept), whole)
        assert kept.taken == layers
        assert [notice.code for notice in kept.notices] == ["resumed"]
    assert not folder.exists()


def test_twice_cut_short_is_no_matter(tmp_path: Path, problem: Problem) -> None:
    whole = fitting.fit(*problem, options=OPTIONS, seed=0)
    cut_short(tmp_path, problem, 1)
    with pytest.raises(KeyboardInterrupt), keep(tmp_path, problem, resume=True) as kept:
        fit(problem, kept, 3)
    with keep(tmp_path, problem, resume=True) as kept:
        assert same(fit(problem, kept), whole)
        assert kept.taken == 3


def test_resuming_from_nothing_starts_at_the_start(tmp_path: Path, problem: Problem) -> None:
    with keep(tmp_path, problem, resume=True) as kept:
        fit(problem, kept)
        assert (kept.taken, kept.notices) == (0, ())


def test_without_resume_what_is_there_is_replaced(tmp_path: Path, problem: Problem) -> None:
    folder = cut_short(tmp_path, problem, 2)
    (folder / "mine.txt").write_text("mine")
    keep(tmp_path, problem)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_key_without_layers_is_not_left(tmp_path: Path, problem: Problem) -> None:
    def work() -> None:
        with keep(tmp_path, problem) as kept:
            kept.folder.mkdir()
            (kept.folder / "key.json").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not list(tmp_path.glob("*.fit"))


def test_a_full_disk_is_said_and_keeps_what_there_is(
    tmp_path: Path, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    cut_short(tmp_path, problem, 2)
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left") as caught, keep(tmp_path, problem, resume=True) as kept:
        fit(problem, kept)
    assert "--resume" in caught.value.__notes__[0]


def test_an_error_before_the_first_layer_leaves_nothing(tmp_path: Path, problem: Problem) -> None:
    def work() -> None:
        with keep(tmp_path, problem):
            raise ValueError("early")

    with pytest.raises(ValueError, match="early") as caught:
        work()
    assert not hasattr(caught.value, "__notes__")
    assert not (tmp_path / "out.fit").exists()


def refusal(folder: Path, problem: Problem, seed: int = 0) -> str:
    with pytest.raises(ConvprofError) as caught:
        keep(folder, problem, resume=True, seed=seed)
    return str(caught.value)


def test_what_was_fitted_to_something_else_is_refused(tmp_path: Path, problem: Problem) -> None:
    cut_short(tmp_path, problem, 1)
    model, plan, _ = problem
    assert "another seed (leave out --resume" in refusal(tmp_path, problem, 1)
    assert "with other data" in refusal(tmp_path, (model, plan, pictures(tmp_path, model, 71)))
    fewer = msgspec.structs.replace(plan, layers=plan.layers[1:])
    assert "another plan" in refusal(tmp_path, (model, fewer, problem[2]))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("convprof", "0.0.0", "another version of convprof"),
        ("libraries", ["1", "2", "3"], "other libraries"),
        ("model", "0", "another model"),
        ("weights", "0", "other weights"),
        ("threads", 7, "another number of threads"),
        ("inter_op_threads", 7, "another number of threads between operators"),
        ("graph_optimization", "basic", "another graph optimization"),
        ("session_options", {"session.x64quantprecision": "1"}, "other session options"),
        ("providers", ["X"], "other providers"),
        ("inputs", [], "other input shapes"),
    ],
)
def test_every_part_of_the_key_counts(tmp_path: Path, problem: Problem, field: str, value: object, words: str) -> None:
    folder = cut_short(tmp_path, problem, 1)
    record = json.loads((folder / "key.json").read_text())
    (folder / "key.json").write_text(json.dumps({**record, field: value}))
    assert words in refusal(tmp_path, problem)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "convprof.fit/2"}', "\0\0"])
def test_a_damaged_key_is_refused(tmp_path: Path, problem: Problem, text: str) -> None:
    folder = cut_short(tmp_path, problem, 1)
    (folder / "key.json").write_text(text)
    with pytest.raises(DataError, match=r"key\.json: an earlier version .* or it is damaged.*leave out --resume"):
        keep(tmp_path, problem, resume=True)


def test_a_key_of_an_earlier_version_says_so(tmp_path: Path, problem: Problem) -> None:
    folder = cut_short(tmp_path, problem, 1)
    record = json.loads((folder / "key.json").read_text())
    del record["session_options"]
    (folder / "key.json").write_text(json.dumps(record))
    words = refusal(tmp_path, problem)
    assert "an earlier version of convprof left it" in words
    assert "`session_options`" in words
    keep(tmp_path, problem)  # without --resume: from the start
    assert not folder.exists()


def objects(path: Path) -> None:
    np.savez(path, errors=np.array([{}, {}], object))


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("errors.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (99999999999,)}" + b" " * 80)


def arrays(**changed: Array) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with np.load(path) as stored:
            kept = {name: stored[name] for name in stored.files}
        np.savez(path, allow_pickle=False, **{**kept, **changed})

    return write


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


HOSTILE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no zip": lambda path: path.write_bytes(b"PK\x03\x04 and so on"),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "pickled": objects,
    "claims too much": bomb,
    "another shape": arrays(weight0=np.ones((2, 2))),
    "another type": arrays(bias=np.ones(6, np.float32)),
    "one too many": arrays(more=np.ones(1)),
    "infinite": arrays(bias=np.full(6, np.inf)),
    "no axes": arrays(errors=np.array(1.0)),
    "a folder": folder_instead,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, problem: Problem, name: str) -> None:
    folder = cut_short(tmp_path, problem, 2)
    HOSTILE[name](folder / "00002.npz")
    with pytest.raises(DataError, match="00002"), keep(tmp_path, problem, resume=True) as kept:
        fit(problem, kept)
    assert (folder / "00001.npz").exists()


def test_nothing_but_fits_to_data_is_kept(tmp_path: Path, problem: Problem) -> None:
    model, plan, _ = problem
    with fitting.keep(tmp_path / "out", model, plan, None, OPTIONS, 0, False) as kept:
        assert kept.notices == ()
    with pytest.raises(UsageError, match="leave it out"):
        fitting.keep(tmp_path / "out", model, plan, None, OPTIONS, 0, True)


def test_a_file_in_the_way_is_an_output_error(tmp_path: Path, problem: Problem) -> None:
    (tmp_path / "out.fit").write_text("a file")
    for resume in (False, True):
        with pytest.raises(OutputError, match=r"out\.fit"):
            keep(tmp_path, problem, resume=resume)
    model, plan, _ = problem
    fitting.keep(tmp_path / "out", model, plan, None, OPTIONS, 0, False).discard()
    assert (tmp_path / "out.fit").read_text() == "a file"

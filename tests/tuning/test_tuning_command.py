"""The command: from argv to a model, its record and a table, and refusals in a line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from small_networks import Problem, problem, weights

import convprof
from convprof import cli


@pytest.fixture
def each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Problem:
    monkeypatch.chdir(tmp_path)
    return problem(Path())


COMMON = ("--teacher", "teacher.onnx", "--calibration", "data.npz", "--batch", "32")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.run(["tune", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_whole_command(each: Problem, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "student.onnx", *COMMON, "--epochs", "6", "--learning-rate", "0.01", "--threads", "1")
    assert code == 0, err
    assert err.splitlines()[-1] == "convprof: wrote student.tuned.onnx"
    assert "Training of student.onnx" in out
    assert "kl (lower" in out  # the rest of the cell may stand on the next line
    assert "flip, crop" in out
    record = json.loads(Path("student.tuned.tuning.json").read_text(encoding="utf-8"))
    assert record["schema"] == "convprof.tuning/1"
    assert [stage["method"] for stage in record["stages"]] == record["settings"]["recipe"] == ["reconstruct", "distill"]
    assert all(stage["after"] < stage["before"] for stage in record["stages"])
    assert record["settings"]["augment"] == ["flip", "crop"]
    assert sorted(path.name for path in Path().iterdir()) == [
        "data.npz",
        "student.onnx",
        "student.tuned.onnx",
        "student.tuned.tuning.json",
        "teacher.onnx",
    ]
    assert weights(Path("student.tuned.onnx")).keys() == weights(Path("student.onnx")).keys()


def test_formats(each: Problem, capsys: pytest.CaptureFixture[str]) -> None:
    quick = ("student.onnx", *COMMON, "--epochs", "1", "-q", "-o", "out.onnx")
    _, out, err = run(capsys, *quick, "--format", "json")
    assert err == ""
    assert json.loads(out) == json.loads(Path("out.tuning.json").read_text(encoding="utf-8"))
    _, out, _ = run(capsys, *quick, "--format", "csv")
    header, *rows = out.splitlines()
    assert header == "stage,method,measure,steps,minutes,loss,value"
    assert len(rows) > 2
    assert rows[0].startswith("0,reconstruct,relative_l2,0,0.0,,")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("student.onnx", "--calibration", "data.npz"), "--recipe reconstruct: it imitates a teacher (give --teacher"),
        (("student.onnx", *COMMON, "--time-budget", "soon"), "--time-budget 'soon': it is no time above 0"),
        (("student.onnx", *COMMON, "--time-budget", "0m"), "it is no time above 0"),
        (("student.onnx", *COMMON, "--recipe", "distill,,"), "--recipe: no method is called ''"),
        (("student.onnx", *COMMON, "--augment", "spin"), "--augment spin: 'spin' is not known"),
        (("student.onnx", *COMMON, "--epochs", "nan"), "it is not a number"),
        (("student.onnx", *COMMON, "--labels", "nothing"), "no labels called 'nothing'"),
        (("student.onnx", *COMMON, "-o", "teacher.onnx"), "teacher.onnx: this is the model being read"),
        (("data.npz", *COMMON), "data.npz: "),
    ],
)
def test_refusals(each: Problem, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("convprof: error: ")
    assert why in line
    assert not list(Path().glob("*.tune*"))


def test_what_is_no_picture_is_not_augmented(each: Problem, capsys: pytest.CaptureFixture[str]) -> None:
    data = np.load("data.npz")
    np.savez("data.npz", x=data["x"][:, :, :, :7])
    code, _, err = run(capsys, "student.onnx", *COMMON, "--epochs", "1")
    assert code == 2
    assert "input 'x' takes (samples, 1, 8, 8)" in err


def test_without_torch_the_remedy_is_named(
    each: Problem, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("convprof.torch", "convprof.tuning"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("torch", "tuning"):
        monkeypatch.delattr(convprof, name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run(capsys, "student.onnx", *COMMON, "--epochs", "1")
    assert code == 2
    assert "torch is not installed (pip install 'convprof[tune]')" in err

"""The --fail-if options from argv to the exit code: what they hold, what they print and what they leave in the JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import convprof, data, small_model

from convprof.cli.reading import read_limits
from convprof.errors import UsageError
from convprof.records.gates import Limits

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gates")
    small_model(folder)
    data(folder)
    return folder


def outcomes(found: str) -> list[str]:
    return [gate["outcome"] for gate in json.loads(found)["gates"]]


def test_with_limits_they_alone_decide(place: Path, capsys: Capture) -> None:
    run = place / "run"
    inputs: list[str | Path] = ["--calibration", place / "data.npz", "--eval", place / "data.npz"]
    arguments = [*inputs, "--target-macs", "0.3", "--iterations", "5", "-o", run]
    optimize: list[str | Path] = ["optimize", place / "model.onnx", *arguments]
    kept = convprof(capsys, *optimize, "--fail-if-params-above", "100%", "--fail-if-macs-above", "0.3")
    assert "Not worth it" in kept.out
    assert (kept.code, outcomes((run / "report.json").read_text())) == (0, ["passed", "passed"])
    broken = convprof(capsys, *optimize, "--fail-if-params-above", "100", "--fail-if-drop-above", "100")
    assert (broken.code, outcomes((run / "report.json").read_text())) == (1, ["passed", "failed"])
    assert "convprof: fail-if-params-above: failed: the model has" in broken.err
    shown = convprof(capsys, "report", run, "--format", "markdown")
    assert "**Limits**" in shown.out
    assert shown.code == 0
    beside = convprof(capsys, "compare", run, run, "--fail-if-params-above", "100%", "--format", "json")
    assert (beside.code, outcomes(beside.out)) == (0, ["passed"])
    beside = convprof(capsys, "compare", run, run, "--fail-if-slower-than", "1", "--fail-if-macs-above", "0.9", "-q")
    assert (beside.code, beside.err) == (1, "")


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_verify_against_limits(place: Path, capsys: Capture, form: str) -> None:
    model, small = place / "model.onnx", place / "small.onnx"
    assert convprof(capsys, "rewrite", model, "-o", small, "--form", "spatial", "--rank", "1", "-q").code == 0
    verify: list[str | Path] = ["verify", model, small, "--data", place / "data.npz", "--labels", "y", "--format", form]
    kept = convprof(capsys, *verify, "--fail-if-drop-above", "100", "--fail-if-params-above", "0.9")
    assert (kept.code, kept.err) == (0, "")
    stopped = convprof(capsys, *verify, "--fail-if-drop-above", "0", "--fail-if-macs-above", "1%")
    assert stopped.code == 1
    assert "fail-if-macs-above: failed" in stopped.err
    if form == "json":
        assert outcomes(kept.out) == ["passed", "passed"]
        assert outcomes(stopped.out)[1:] == ["failed"]


@pytest.mark.parametrize(
    ("text", "count", "share"),
    [
        ("120000", 120_000, None),
        ("1.2M", 1_200_000, None),
        ("3 g", 3 * 10**9, None),
        ("2k", 2_000, None),
        ("1", None, 1.0),
        ("0.5", None, 0.5),
        ("50%", None, 0.5),
        ("150 %", None, 1.5),
    ],
)
def test_a_size_is_a_number_or_a_share(text: str, count: int | None, share: float | None) -> None:
    assert read_limits(1.0, 2.0, text, None) == Limits(1.0, 2.0, count, share)
    assert read_limits(None, None, None, text) == Limits(macs_above=count, macs_share_above=share)


@pytest.mark.parametrize(
    "text", ["", "0", "0%", "-1", "1.5", "0.0001k", "nan", "inf", "1e9", "½", "5 apples", "9" * 40]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--fail-if-macs-above"):
        read_limits(None, None, None, text)

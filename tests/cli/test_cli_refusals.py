"""Whatever is wrong with the input: exit 2, one line that says what, why and what to do, and no file left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import convprof, data, noise, process, refused, separable_model, small_model, store

Capture = pytest.CaptureFixture[str]
Arguments = list[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in that holds a model, data and broken things."""
    small_model(tmp_path)
    data(tmp_path)
    separable_model(tmp_path).rename(tmp_path / "features.onnx")
    kernel = {"w": noise(8, 3, 3, 3)}
    store(tmp_path / "open.onnx", "g (float[N, 3, H, W] x) => (float[N, 8, P, Q] y) { y = Conv(x, w) }", **kernel)
    (tmp_path / "text.onnx").write_text("no model at all\n" * 1000)
    (tmp_path / "empty.onnx").touch()
    np.savez(tmp_path / "wrong_name.npz", allow_pickle=False, q=noise(4, 3, 12, 12), p=noise(4, 3, 12, 12))
    np.savez(tmp_path / "wrong_shape.npz", allow_pickle=False, x=noise(4, 5, 12, 12))
    np.savez(tmp_path / "wrong_type.npz", allow_pickle=False, x=noise(4, 3, 12, 12).astype(np.complex64))
    np.savez(tmp_path / "nan.npz", allow_pickle=False, x=noise(4, 3, 12, 12) * np.nan)
    (tmp_path / "text.npz").write_text("no arrays\n")
    write_plan(tmp_path / "plan.json")
    for name, change in PLANS.items():
        write_plan(tmp_path / f"{name}.json", change)
    (tmp_path / "broken.json").write_text('{"schema": "convprof.plan/1", "layers": [')
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("convprof.data.synthetic.PICTURES", 64)
    return tmp_path


PLANS: dict[str, dict[str, object]] = {
    "plan_layer": {"name": "zz"},
    "plan_form": {"form": "cubist"},
    "plan_rank": {"rank": [99]},
    "plan_rank_length": {"rank": [1, 1]},
    "plan_rank_zero": {"rank": [0]},
    "plan_rank_type": {"rank": "two"},
    "plan_emission": {"emission": "multiplier", "form": "spatial"},
}


def write_plan(path: Path, change: dict[str, object] | None = None) -> None:
    layer = {"name": "b", "form": "depthwise-pointwise", "rank": [2], "emission": "sum"} | (change or {})
    path.write_text(json.dumps({"schema": "convprof.plan/1", "model": {"path": "m", "sha256": "0"}, "layers": [layer]}))


REWRITE = ["rewrite", "model.onnx", "-o", "out.onnx"]
FORM = ["--form", "depthwise-pointwise", "--rank", "2"]
OPTIMIZE = ["optimize", "model.onnx", "--iterations", "3", "-o", "new"]
VERIFY = ["verify", "model.onnx", "model.onnx", "--data"]

CASES: dict[str, tuple[Arguments, str]] = {
    "missing model": (["analyze", "lost.onnx"], "lost.onnx: no such file"),
    "a text": (["analyze", "text.onnx"], "text.onnx: not an ONNX model"),
    "an empty file": (["analyze", "empty.onnx"], "empty.onnx: not an ONNX model"),
    "a folder": (["analyze", "run"], "run: no such file"),
    "text to optimize": (["optimize", "text.onnx", "-o", "new"], "text.onnx: not an ONNX model"),
    "text to rewrite": (["rewrite", "text.onnx", "-o", "out.onnx", *FORM], "text.onnx: not an ONNX model"),
    "text to bench": (["bench", "model.onnx", "text.onnx"], "text.onnx: not an ONNX model"),
    "text to verify": (["verify", "model.onnx", "text.onnx", "--data", "data.npz"], "text.onnx"),
    "unknown command": (["analyse", "model.onnx"], "No such command"),
    "unknown option": (["analyze", "model.onnx", "--fast"], "No such option"),
    "no model": (["analyze"], "Missing argument"),
    "bad format": (["analyze", "model.onnx", "--format", "xml"], "xml"),
    "bad shape": (["analyze", "model.onnx", "--input-shape", "x:1,3,a"], "--input-shape 'x:1,3,a'"),
    "zero size": (["analyze", "model.onnx", "--input-shape", "1,3,0,12"], "above 0"),
    "negative size": (["analyze", "model.onnx", "--input-shape", "1,3,-1,12"], "above 0"),
    "huge size": (["analyze", "model.onnx", "--input-shape", "1,3,99999999999,12"], "above 0"),
    "wrong input": (["analyze", "model.onnx", "--input-shape", "z:1,3,12,12"], "no input 'z'"),
    "wrong channels": (["analyze", "model.onnx", "--input-shape", "1,4,12,12"], "does not fit input 'x'"),
    "wrong dim": (["analyze", "model.onnx", "--dim", "Z=1"], "no symbolic size 'Z'"),
    "dim without size": (["analyze", "model.onnx", "--dim", "N"], "--dim 'N'"),
    "dim with two sizes": (["analyze", "model.onnx", "--dim", "N=1x2"], "--dim 'N=1x2'"),
    "dim without name": (["analyze", "model.onnx", "--dim", "=2"], "--dim '=2'"),
    "unwritable analysis": (["analyze", "model.onnx", "-o", "model.onnx/a"], "model.onnx"),
    "analysis over the model": (["analyze", "model.onnx", "-o", "./model.onnx"], "the model being read"),
    "analysis over a folder": (["analyze", "model.onnx", "-o", "run"], "it is a folder"),
    "analysis over this folder": (["analyze", "model.onnx", "-o", "."], "it is a folder"),
    "a name too long": (["analyze", "model.onnx", "-o", "a" * 300], "File name too long"),
    "missing data": ([*OPTIMIZE, "--calibration", "lost.npz"], "lost.npz: no such file"),
    "broken data": ([*OPTIMIZE, "--calibration", "text.npz"], "text.npz: not a readable .npz"),
    "array of another name": ([*OPTIMIZE, "--calibration", "wrong_name.npz"], "wrong_name.npz"),
    "array of another shape": ([*OPTIMIZE, "--calibration", "wrong_shape.npz"], "wrong_shape.npz"),
    "array of another type": ([*OPTIMIZE, "--calibration", "wrong_type.npz"], "wrong_type.npz"),
    "array of NaN": ([*OPTIMIZE, "--calibration", "nan.npz"], "NaN"),
    "no pictures taken": (
        ["rewrite", "features.onnx", "-o", "out.onnx", *FORM, "--calibration", "synthetic"],
        "--calibration synthetic: input 'x' takes float32 of shape (1, 128, 28, 28), pictures have 1 or 3 channels",
    ),
    "no size for pictures": (["rewrite", "open.onnx", "-o", "out.onnx", *FORM], "give --input-shape x:"),
    "no such labels": ([*VERIFY, "data.npz", "--labels", "z"], "no labels called 'z'"),
    "no such metric": ([*VERIFY, "data.npz", "--labels", "y", "--metric", "luck"], "luck"),
    "no such metric module": ([*VERIFY, "data.npz", "--labels", "y", "--metric", "no.such:one"], "no.such"),
    "labels without data": ([*OPTIMIZE, "--labels", "y"], "--labels"),
    "bad preprocess": ([*OPTIMIZE, "--calibration", "data.npz", "--preprocess", "sepia"], "sepia"),
    "no such layer": ([*REWRITE, *FORM, "--only", "zz"], "--only 'zz'"),
    "no such layer to skip": ([*OPTIMIZE, "--skip", "zz"], "--skip 'zz'"),
    "nothing left": ([*OPTIMIZE, "--skip", "a", "--skip", "b", "--skip", "c"], "no conv is left"),
    "no such form": ([*REWRITE, "--form", "cubist", "--rank", "2"], "cubist"),
    "no such form to optimize": ([*OPTIMIZE, "--form", "cubist"], "cubist"),
    "no rank": ([*REWRITE, "--form", "spatial"], "rank"),
    "rank of letters": ([*REWRITE, "--form", "spatial", "--rank", "two"], "--rank 'two'"),
    "rank zero": ([*REWRITE, "--form", "spatial", "--rank", "0"], "--rank '0'"),
    "two ranks": ([*REWRITE, "--form", "spatial", "--rank", "2,2"], "spatial takes"),
    "bad emission": ([*REWRITE, "--form", "spatial", "--rank", "2", "--emission", "multiplier"], "emission"),
    "neither plan nor form": (REWRITE, "--plan or --form"),
    "plan and form": ([*REWRITE, *FORM, "--plan", "plan.json"], "--plan or --form"),
    "missing plan": ([*REWRITE, "--plan", "lost.json"], "lost.json"),
    "broken plan": ([*REWRITE, "--plan", "broken.json"], "broken.json"),
    "plan that is a report": ([*REWRITE, "--plan", "run/report.json"], "run/report.json"),
    "plan with another layer": ([*REWRITE, "--plan", "plan_layer.json"], "'zz'"),
    "plan with another form": ([*REWRITE, "--plan", "plan_form.json"], "cubist"),
    "plan with a rank too high": ([*REWRITE, "--plan", "plan_rank.json"], "rank [99]"),
    "plan with two ranks": ([*REWRITE, "--plan", "plan_rank_length.json"], "rank [1, 1]"),
    "plan with rank zero": ([*REWRITE, "--plan", "plan_rank_zero.json"], "rank [0]"),
    "plan with a word for a rank": ([*REWRITE, "--plan", "plan_rank_type.json"], "layers"),
    "plan with another emission": ([*REWRITE, "--plan", "plan_emission.json"], "multiplier"),
    "output is the model": (["rewrite", "model.onnx", "-o", "./model.onnx", *FORM], "the model being read"),
    "output is a folder": (["rewrite", "model.onnx", "-o", "run", *FORM], "it is a folder"),
    "output under a file": (["rewrite", "model.onnx", "-o", "data.npz/out.onnx", *FORM], "data.npz"),
    "run folder is a file": (["optimize", "model.onnx", "-o", "data.npz"], "data.npz"),
    "run folder under a file": (["optimize", "model.onnx", "-o", "data.npz/run"], "data.npz"),
    "run folder holds the model": (["optimize", "model.onnx", "-o", "."], "the model being read"),
    "budget too small": ([*OPTIMIZE, "--target-macs", "0.01"], "--target-macs 0.01"),
    "budget of nothing": ([*OPTIMIZE, "--target-macs", "0"], "--target-macs"),
    "budget that is no number": ([*OPTIMIZE, "--target-macs", "nan"], "--target-macs"),
    "bad provider": (["bench", "model.onnx", "--provider", "Abacus", "--iterations", "2"], "Abacus"),
    "bad provider for a fit": ([*OPTIMIZE, "--calibration", "data.npz", "--provider", "Abacus"], "Abacus"),
    "no threads": (["bench", "model.onnx", "--threads", "0"], "--threads"),
    "too many threads": (["bench", "model.onnx", "--threads", "99999999"], "--threads"),
    "negative seed": ([*OPTIMIZE, "--seed", "-1"], "--seed"),
    "memory without a unit": ([*OPTIMIZE, "--memory", "4"], "--memory '4'"),
    "memory of no size": ([*REWRITE, *FORM, "--memory", "much"], "write 512MiB"),
    "memory below nothing": ([*REWRITE, *FORM, "--memory", "-1GiB"], "--memory '-1GiB'"),
    "nothing to resume, weights": (
        [*REWRITE, *FORM, "--calibration", "data.npz", "--init", "weights", "--resume"],
        "--resume: only layers fitted to data are kept",
    ),
    "no iterations": (["bench", "model.onnx", "--iterations", "0"], "--iterations"),
    "no width": (["bench", "model.onnx", "--interval-width", "0%"], "--interval-width"),
    "no share": (["bench", "model.onnx", "--interval-width", "narrow"], "2% or 0.02"),
    "a width of one model": (["bench", "model.onnx", "--interval-width", "2%", "--no-floor"], "no ratio"),
    "no processes": (["bench", "model.onnx", "--processes", "0"], "--processes"),
    "a limit for one model": (["bench", "model.onnx", "--fail-if-slower-than", "1"], "no two models"),
    "no limit": (["bench", "model.onnx", "--fail-if-slower-than", "nan"], "--fail-if-slower-than"),
    "no limit of size": (
        [*VERIFY, "data.npz", "--fail-if-params-above", "half"],
        "--fail-if-params-above 'half': it is a share of the original's, or a number (write 0.5, 50% or 1.2M)",
    ),
    "no limit of loss": ([*OPTIMIZE, "--fail-if-drop-above", "-1"], "--fail-if-drop-above"),
    "a loss of nothing": (
        ["optimize", "features.onnx", "--fail-if-drop-above", "1", "-o", "new"],
        "--fail-if-drop-above: there are no inputs to judge the outputs on (give --eval DATA, or use verify)",
    ),
    "no time to verify": ([*VERIFY, "data.npz", "--fail-if-slower-than", "1"], "No such option"),
    "no duration": (["bench", "model.onnx", "--duration", "nan"], "--duration"),
    "no batch": (["bench", "model.onnx", "--batch", "0"], "--batch '0'"),
    "batch of letters": (["bench", "model.onnx", "--batch", "1,all"], "--batch 'all'"),
    "batch without a number": (["bench", "model.onnx", "--batch", "1,,2"], "--batch ''"),
    "batches with an x": (["bench", "model.onnx", "--batch", "1x8"], "write --batch 1,8,32"),
    "no such session option": (["bench", "model.onnx", "--session-option", "session.spin=1"], "possible are"),
    "session option without value": (["bench", "model.onnx", "--session-option", "fast"], "write KEY=VALUE"),
    "bad value of a session option": (
        ["bench", "model.onnx", "--session-option", "session.intra_op.allow_spinning=maybe"],
        "possible is 0 or 1",
    ),
    "session option for a fit": ([*OPTIMIZE, "--calibration", "data.npz", "--session-option", "a=b"], "'a=b'"),
    "no such graph optimization": (["bench", "model.onnx", "--graph-optimization", "most"], "disable"),
    "no threads between operators": (["bench", "model.onnx", "--inter-op-threads", "0"], "--inter-op-threads"),
    "no run": (["report", "lost"], "lost"),
    "broken run": (["report", "run"], "run/report.json"),
    "figure without nodes": (["report", "run", "--figure", "error"], "--figure"),
    "nodes of no run": (["report", "lost", "--format", "model-explorer"], "lost/report.json"),
    "no run to compare": (["compare", "lost", "run"], "lost/report.json"),
    "broken run to compare": (["compare", "run", "run"], "run/report.json"),
    "kernel too large": (["cost", "--input", "4x4x3", "--kernel", "5", "--filters", "2"], "kernel"),
    "input without channels": (["cost", "--input", "4", "--kernel", "3", "--filters", "2"], "4"),
    "no such schema": (["schema", "novel"], "novel"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_in_one_line(place: Path, capsys: Capture, case: str) -> None:
    arguments, what = CASES[case]
    before = listing(place)
    line = refused(convprof(capsys, *arguments))
    assert what in line
    assert listing(place) == before


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "lost.onnx"],
        [*REWRITE, *FORM, "--only", "zz"],
        [*OPTIMIZE, "--calibration", "wrong_shape.npz"],
        [*OPTIMIZE, "--target-macs", "0.01"],
    ],
)
def test_in_a_process_of_its_own(place: Path, arguments: Arguments) -> None:
    before = listing(place)
    refused(process(*arguments, cwd=place))
    assert listing(place) == before


def test_folders_made_for_nothing_are_taken_away(place: Path, capsys: Capture) -> None:
    refused(convprof(capsys, "optimize", "model.onnx", "--target-macs", "0.01", "-o", "deep/deeper/run"))
    assert not (place / "deep").exists()


def test_what_stood_in_the_folder_stays(place: Path, capsys: Capture) -> None:
    (place / "run" / "model.onnx").mkdir()
    (place / "run" / "notes.txt").write_text("mine")
    before = listing(place)
    assert "folder" in refused(convprof(capsys, "optimize", "model.onnx", "--iterations", "2", "-o", "run"))
    (place / "run" / "model.onnx").rmdir()
    (place / "run" / "plan.json").mkdir()
    before = listing(place)
    result = convprof(capsys, "optimize", "model.onnx", "--target-macs", "0.9", "--iterations", "2", "-q", "-o", "run")
    assert "plan.json" in refused(result)
    left = listing(place)
    assert {path: left[path] for path in before} == before
    assert all("run.fit" in path or path.endswith("damage.json") for path in left.keys() - before.keys())


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "two\nlines", "\x07bell", "r\u202etl"])
def test_nothing_that_a_terminal_would_obey_is_printed(place: Path, capsys: Capture, text: str) -> None:
    for arguments in (
        ["analyze", text],
        ["analyze", "model.onnx", "--format", text],
        ["analyze", "model.onnx", "--input-shape", f"{text}:1,3,12,12"],
        [text],
        [*REWRITE, *FORM, "--only", text],
    ):
        line = refused(convprof(capsys, *arguments))
        assert "\x1b" not in line


def test_a_bug_is_one_line_unless_one_wants_to_see_it(
    place: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Callable[[], None]:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("convprof.pipeline.analyze", broken)
    result = convprof(capsys, "analyze", "model.onnx")
    assert result.code == 2
    assert result.err.startswith("convprof: error: unexpected ZeroDivisionError: by zero (")
    assert result.err.count("\n") == 1
    monkeypatch.setenv("CONVPROF_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        convprof(capsys, "analyze", "model.onnx")


def test_out_of_memory_is_said(place: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("convprof.pipeline.analyze", greedy)
    assert "out of memory" in refused(convprof(capsys, "analyze", "model.onnx"))


def test_a_pipe_can_be_written_to(place: Path, capsys: Capture) -> None:
    result = convprof(capsys, "analyze", "model.onnx", "-o", "/dev/null")
    assert (result.code, result.err) == (0, "")
    assert Path("/dev/null").is_char_device()

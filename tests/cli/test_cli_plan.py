"""The commands that plan by time, through the real command line on a sample model."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from command_line import SAMPLES, Result, convprof, process, refused, valid

Capture = pytest.CaptureFixture[str]
MODEL = SAMPLES / "digits_vgg.onnx"
LAYERS = ["--only", "features.3.conv", "--only", "features.5.conv"]
FORMS = ["--form", "depthwise-pointwise", "--form", "tucker2"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inputs") / "calib.npz"
    with np.load(SAMPLES / "digits_calib.npz") as pictures:
        np.savez(path, allow_pickle=False, x=pictures["x"][:24])
    return path


@pytest.fixture(scope="module")
def planned(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first plan: its prices and damages are there for others."""
    folder = tmp_path_factory.mktemp("plan") / "run"
    result = process(*_plan(inputs, folder), "--target-latency", "0.8", "--sweep")
    assert result.code in (0, 1), result.err
    assert "features.3.conv" in result.out
    assert "Traceback" not in result.err
    return folder


def _plan(inputs: Path, folder: Path) -> list[str | Path]:
    return ["plan", MODEL, "--calibration", inputs, "--preprocess", "unit", *LAYERS, *FORMS, "-o", folder]


def _read(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_a_plan_leaves_what_it_rests_on(planned: Path) -> None:
    papers = {path.name for path in planned.iterdir()}
    assert {"plan.json", "planning.json", "plan.html", "latency.json", "damage.json", "plan-1.json"} <= papers
    assert not [name for name in papers if name.startswith(".")]
    planning = json.loads((planned / "planning.json").read_text())
    assert planning["plan"] == _read(planned / "plan.json")
    assert planning["plan"]["budget"]["target_latency"] == 0.8
    assert planning["plan"]["measured"]["rounds"] > 0
    assert planning["front"][0]["plan"] == _read(planned / "plan-1.json")
    assert "<html" in (planned / "plan.html").read_text()


def test_every_paper_of_a_plan_is_valid_by_its_schema(planned: Path) -> None:
    found = {path.name: valid(path.read_text()) for path in planned.glob("*.json")}
    kinds = {"plan.json": "plan", "planning.json": "planning", "latency.json": "latency", "damage.json": "damage"}
    assert {name: found[name] for name in kinds} == kinds


def test_another_budget_asks_for_nothing_anew(planned: Path, inputs: Path, capsys: Capture) -> None:
    kept = {name: (planned / name).read_bytes() for name in ("latency.json", "damage.json")}
    result = convprof(capsys, *_plan(inputs, planned), "--target-latency", "0.9", "--target-params", "0.99")
    assert result.code in (0, 1), result.err
    assert "price" not in result.err
    assert "survey" not in result.err
    assert {name: (planned / name).read_bytes() for name in kept} == kept
    assert json.loads((planned / "plan.json").read_text())["budget"]["target_params"] == 0.99


def test_an_edited_plan_is_priced(planned: Path, inputs: Path, tmp_path: Path, capsys: Capture) -> None:
    plan = json.loads((planned / "plan-1.json").read_text())
    plan["layers"] = [{"name": "features.5.conv", "form": "tucker2", "rank": [16, 16]}]
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(plan))
    result = convprof(capsys, *_plan(inputs, planned), "--from", edited, "--format", "json")
    assert result.code in (0, 1), result.err
    found = json.loads(result.out)["plan"]
    assert [layer["name"] for layer in found["layers"]] == ["features.5.conv"]
    assert found["predicted"]["latency"] == pytest.approx(found["measured"]["latency"], abs=1)
    plan["layers"][0]["rank"] = [1000, 1]
    edited.write_text(json.dumps(plan))
    assert "out of range" in refused(convprof(capsys, *_plan(inputs, planned), "--from", edited, "-q"))


@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_a_plan_in_other_formats(planned: Path, inputs: Path, capsys: Capture, form: str) -> None:
    result = convprof(capsys, *_plan(inputs, planned), "--target-latency", "0.9", "--format", form, "-q")
    assert result.code in (0, 1)
    assert "features.3.conv" in result.out


def test_the_report_of_a_plan(planned: Path, capsys: Capture) -> None:
    assert "features.3.conv" in convprof(capsys, "report", planned).out
    assert "<html" in convprof(capsys, "report", planned, "--format", "html").out


def test_a_time_out_of_reach_says_what_is_in_reach(planned: Path, inputs: Path, capsys: Capture) -> None:
    line = refused(convprof(capsys, *_plan(inputs, planned), "--target-latency", "1%", "-q"))
    assert "--target-latency" in line
    assert "of the model's time" in line


@pytest.mark.parametrize("text", ["1.5", "0", "-1ms", "fast", "200%", "1e3", "nan"])
def test_a_target_that_is_no_time_is_refused(inputs: Path, tmp_path: Path, capsys: Capture, text: str) -> None:
    assert "--target-latency" in refused(convprof(capsys, *_plan(inputs, tmp_path / "run"), "--target-latency", text))
    assert not (tmp_path / "run").exists()


def test_a_plan_for_another_model_is_refused(planned: Path, inputs: Path, tmp_path: Path, capsys: Capture) -> None:
    plan = _read(planned / "plan-1.json") | {"model": {"path": "other.onnx", "sha256": "0" * 64}}
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(plan))
    assert "another file" in refused(convprof(capsys, *_plan(inputs, planned), "--from", edited, "-q"))


def test_prices_of_another_machine(inputs: Path, tmp_path: Path, capsys: Capture) -> None:
    """The zip is unpacked and run without convprof, and what it writes is planned with."""
    archive = tmp_path / "probe.zip"
    packed = convprof(capsys, "probe", MODEL, *LAYERS, "--form", "tucker2", "-o", archive)
    assert packed.code == 0, packed.err
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(tmp_path / "device")
    table = tmp_path / "latency.json"
    ran = subprocess.run(
        [sys.executable, "-I", tmp_path / "device" / "probe.py", "-o", table],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    result = _with_table(capsys, inputs, table, tmp_path / "run")
    assert result.code in (0, 1), result.err
    assert not (tmp_path / "run" / "latency.json").exists()
    found = json.loads(table.read_text())
    found["probes"]["model"]["sha256"] = "0" * 64
    table.write_text(json.dumps(found))
    assert "another file" in refused(_with_table(capsys, inputs, table, tmp_path / "run"))


def _with_table(capsys: Capture, inputs: Path, table: Path, folder: Path) -> Result:
    arguments: list[str | Path] = ["plan", MODEL, "--calibration", inputs, "--preprocess", "unit", *LAYERS]
    arguments += ["--form", "tucker2", "--latency-table", table, "--target-latency", "0.95", "-o", folder, "-q"]
    return convprof(capsys, *arguments)


def test_the_fastest_that_is_good_enough_is_searched_for(planned: Path, inputs: Path, capsys: Capture) -> None:
    result = convprof(capsys, *_plan(inputs, planned), "--max-drop", "50", "--format", "json", "-q")
    assert result.code in (0, 1), result.err
    found = json.loads(result.out)
    assert found["rounds"]
    assert found["plan"]["budget"]["max_drop"] == 50
    losses = [each["loss"] for each in found["rounds"] if each["accepted"]]
    assert all(loss <= 50 for loss in losses)


def test_a_loss_that_nothing_keeps_to_is_said(planned: Path, inputs: Path, capsys: Capture) -> None:
    result = convprof(capsys, *_plan(inputs, planned), "--min-sqnr", "200", "--format", "json")
    assert result.code == 1, result.err
    assert "even the gentlest plan loses more" in result.err
    assert not json.loads(result.out)["worth_it"]


@pytest.fixture
def slow(planned: Path, tmp_path: Path) -> Path:
    """Prices of a machine on which every candidate takes a thousand times as long."""
    prices = json.loads((planned / "latency.json").read_text())
    for candidate in prices["candidates"]:
        candidate["time"]["ms"] *= 1000
    path = tmp_path / "slow.json"
    path.write_text(json.dumps(prices))
    return path


@pytest.mark.parametrize("budget", [[], ["--target-latency", "0.5"]])
def test_where_nothing_is_faster_no_plan_is_worth_it(
    inputs: Path, slow: Path, tmp_path: Path, capsys: Capture, budget: list[str]
) -> None:
    result = convprof(capsys, *_plan(inputs, tmp_path / "run"), "--latency-table", slow, *budget, "--format", "json")
    assert result.code == 1, result.err
    assert "no conv has a candidate that is measurably faster" in result.err
    found = json.loads(result.out)
    assert found["plan"]["layers"] == []
    reasons = {each["name"]: each["reason"]["code"] for each in found["plan"]["kept"]}
    assert reasons["features.3.conv"] == "no-faster-form"


def test_where_nothing_is_faster_the_report_is_still_written(
    inputs: Path, slow: Path, tmp_path: Path, capsys: Capture
) -> None:
    _, *arguments = _plan(inputs, tmp_path / "run")
    result = convprof(capsys, "optimize", *arguments, "--latency-table", slow, "--iterations", "5", "-q")
    assert result.code == 1, result.err
    assert "Not worth it" in result.out
    assert "no-faster-form" in result.out
    assert (tmp_path / "run" / "report.html").exists()

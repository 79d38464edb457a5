"""A model whose outputs are pictures, from data to the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import SAMPLES, convprof, process, refused

from convprof.files import read_record
from convprof.records.pictures import Pictures

Capture = pytest.CaptureFixture[str]
MODEL = SAMPLES / "denoiser.onnx"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few small noisy pictures and the clean ones."""
    folder = tmp_path_factory.mktemp("noisy")
    with np.load(SAMPLES / "denoiser_test.npz") as test:
        pictures = {name: test[name][:5, :32, :40] for name in ("x", "y")}
    np.savez(folder / "test.npz", allow_pickle=False, **pictures)
    return folder / "test.npz"


@pytest.fixture(scope="module")
def run_dir(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as small as it can be."""
    folder = tmp_path_factory.mktemp("run") / "run"
    data: list[str | Path] = ["--calibration", inputs, "--eval", inputs, "--labels", "y", "--preprocess", "unit"]
    small = ["--only", "body.0.conv", "--form", "channel", "--target-macs", "0.97", "--iterations", "5"]
    result = process("optimize", MODEL, *data, *small, "-o", folder)
    assert result.code in (0, 1), result.err
    assert "Score after each stage" in result.out
    return folder


def test_the_page_holds_the_pictures(run_dir: Path, capsys: Capture) -> None:
    found = read_record(run_dir / "pictures.json", Pictures)
    assert (found.kind, found.output, found.span) == ("values", "denoised", "preprocessing")
    page = (run_dir / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 4 * len(found.samples) == 12
    assert len(page) < 500_000
    assert convprof(capsys, "report", run_dir, "--format", "html").out == page


def test_the_report_keeps_figures_only(run_dir: Path) -> None:
    run = json.loads((run_dir / "report.json").read_text())
    samples = run["fidelity"]["outputs"][0]["samples"]
    pictures = json.loads((run_dir / "pictures.json").read_text())
    assert [(each["place"], each["sample"]) for each in pictures["samples"]] == [
        (each["place"], each["sample"]) for each in samples
    ]
    assert "iVBOR" not in (run_dir / "report.json").read_text()


def test_the_score_is_told_by_stage(run_dir: Path) -> None:
    run = json.loads((run_dir / "report.json").read_text())
    weights, closed = run["scores"]
    assert (weights["name"], weights["samples"], closed["name"], closed["samples"]) == (
        *("weights only", None),
        *("closed form", 5),
    )
    assert closed["fidelity"] == run["fidelity"]
    assert weights["fidelity"]["metric"]["after"] <= closed["fidelity"]["metric"]["after"]
    assert weights["fidelity"]["metric"]["before"] == closed["fidelity"]["metric"]["before"]


def test_verify_names_the_samples(run_dir: Path, inputs: Path, capsys: Capture) -> None:
    data: list[str | Path] = ["--data", inputs, "--labels", "y", "--preprocess", "unit"]
    result = convprof(capsys, "verify", MODEL, run_dir / "model.onnx", *data)
    assert result.code == 0, result.err
    for words in ("Samples that moved most", "worst", "median", "best"):
        assert words in result.out


def test_damaged_pictures_are_refused_in_one_line(run_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "report.json").write_bytes((run_dir / "report.json").read_bytes())
    pictures = json.loads((run_dir / "pictures.json").read_text())
    pictures["samples"][0]["dense"] = "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="
    (tmp_path / "pictures.json").write_text(json.dumps(pictures))
    assert "it is no PNG file" in refused(convprof(capsys, "report", tmp_path, "--format", "html"))
    assert convprof(capsys, "report", tmp_path, "--format", "markdown").code == 0


def test_node_data_of_the_converted_model(run_dir: Path, capsys: Capture) -> None:
    result = convprof(capsys, "report", run_dir, "--format", "model-explorer", "--graph", "converted")
    assert result.code == 0, result.err
    nodes = json.loads(result.out)["results"]
    run = json.loads((run_dir / "report.json").read_text())
    assert {name: node["value"] for name, node in nodes.items()} == {
        conv["name"]: conv["macs"] for conv in run["analysis_after"]["convs"]
    }
    assert any("/convprof/" in name for name in nodes)
    assert "--graph goes with" in refused(convprof(capsys, "report", run_dir, "--graph", "converted"))

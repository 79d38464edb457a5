"""Each command from argv to what it prints, writes and returns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import (
    ROOT,
    SAMPLES,
    Result,
    convprof,
    data,
    noise,
    process,
    refused,
    separable_model,
    small_model,
    store,
    valid,
)

from convprof import __version__
from convprof.forms import FORMS
from convprof.records.files import FORMATS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process draw few synthetic pictures: nobody waits for a good fit here."""
    monkeypatch.setattr("convprof.data.synthetic.PICTURES", 64)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `optimize` on the digits, as small as it can be."""
    folder = tmp_path_factory.mktemp("digits")
    with np.load(SAMPLES / "digits_calib.npz") as pictures:
        np.savez(folder / "calib.npz", allow_pickle=False, x=pictures["x"][:24])
    with np.load(SAMPLES / "digits_test.npz") as test:
        np.savez(folder / "test.npz", allow_pickle=False, x=test["x"][:60], y=test["y"][:60])
    arguments: list[str | Path] = [
        "--calibration",
        folder / "calib.npz",
        "--eval",
        folder / "test.npz",
        "--labels",
        "y",
    ]
    arguments += ["--preprocess", "unit", "--only", "features.1.conv", "--target-macs", "0.9", "--iterations", "5"]
    result = process("optimize", SAMPLES / "digits_vgg.onnx", *arguments, "-o", folder / "run")
    assert result.code in (0, 1), result.err
    assert "top1" in result.out
    assert "features.1.conv" in result.out
    return folder / "run"


PAPERS = {"model.onnx", "plan.json", "report.json", "report.html", "damage.json", "int8.onnx"}


def written(result: Result, folder: Path) -> dict[str, Path]:
    assert result.code in (0, 1), result
    return {path.name: path for path in folder.iterdir()}


def test_optimize_leaves_a_model_and_its_papers(run_dir: Path) -> None:
    assert {path.name for path in run_dir.iterdir()} == PAPERS
    onnx.checker.check_model(run_dir / "model.onnx")
    run = json.loads((run_dir / "report.json").read_text())
    assert run["schema"] == "convprof.run/1"
    assert run["fidelity"]["metric"]["name"] == "top1"
    assert run["benchmark"]["models"][1]["path"] == str(run_dir / "model.onnx")
    assert run["stages"][0]["name"] == "analyze"
    changed = [layer for layer in run["layers"] if layer["macs_after"] != layer["macs_before"]]
    assert [layer["name"] for layer in changed] == ["features.1.conv"]
    plan = json.loads((run_dir / "plan.json").read_text())
    assert [layer["name"] for layer in plan["layers"]] == ["features.1.conv"]
    assert "<html" in (run_dir / "report.html").read_text()
    assert ".convprof-" not in "".join(path.read_text() for path in run_dir.glob("*.json"))


@pytest.mark.parametrize("form", ["table", "html", "markdown", "json", "csv"])
def test_report_in_every_format(run_dir: Path, tmp_path: Path, capsys: Capture, form: str) -> None:
    shown = convprof(capsys, "report", run_dir, "--format", form)
    assert shown.code == 0
    assert "features.1.conv" in shown.out
    assert "\x1b" not in shown.out
    if form == "json":
        assert json.loads(shown.out) == json.loads((run_dir / "report.json").read_text())
    kept = convprof(capsys, "report", run_dir, "--format", form, "-o", tmp_path / "report")
    assert (kept.code, kept.out) == (0, "")
    assert "features.1.conv" in (tmp_path / "report").read_text()


def test_the_plan_of_a_run_can_be_edited_and_used(run_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    plan = json.loads((run_dir / "plan.json").read_text())
    plan["layers"] = [
        {"name": "features.1.conv", "form": "spatial", "rank": [8]},
        {"name": "features.3.conv", "form": "depthwise-pointwise", "rank": [2], "emission": "concat"},
    ]
    edited = tmp_path / "plan.json"
    edited.write_text(json.dumps(plan))
    arguments = ("-o", tmp_path / "out.onnx", "--plan", edited, "--init", "weights")
    result = convprof(capsys, "rewrite", SAMPLES / "digits_vgg.onnx", *arguments)
    assert result.code == 0
    assert "wrote" in result.err
    assert "weights alone" in result.err
    names = [node.name for node in onnx.load(tmp_path / "out.onnx").graph.node]
    assert any(name.startswith("features.1.conv/convprof/") for name in names)
    assert any(name.startswith("features.3.conv/convprof/") and name.endswith("concat") for name in names)
    assert "features.0.conv" in names


@pytest.mark.parametrize("form", ["table", "html", "json", "csv", "markdown"])
def test_analyze_in_every_format(tmp_path: Path, capsys: Capture, form: str) -> None:
    model = small_model(tmp_path)
    shown = convprof(capsys, "analyze", model, "--format", form)
    assert (shown.code, shown.err) == (0, "")
    assert "a" in shown.out
    kept = convprof(capsys, "analyze", model, "--format", form, "-o", tmp_path / "deep" / "analysis")
    assert (kept.code, kept.out) == (0, "")
    assert (tmp_path / "deep" / "analysis").read_text().split() == shown.out.split() or form == "table"


def test_analyze_as_json_is_the_contract(tmp_path: Path, capsys: Capture) -> None:
    found = json.loads(convprof(capsys, "analyze", small_model(tmp_path), "--dim", "N=2", "--format", "json").out)
    assert found["schema"] == "convprof.analysis/1"
    assert found["inputs"] == [{"name": "x", "dtype": "float32", "shape": [2, 3, 12, 12]}]
    macs = 144 * 8 * 27 + 144 * 8 * 72 + 100 * 8 * 72 + 32
    assert found["totals"]["macs"] == 2 * macs
    assert found["totals"]["macs_formula"] == f"{macs}*N"
    assert [conv["name"] for conv in found["convs"]] == ["a", "b", "c"]
    assert {option["form"] for option in found["convs"][1]["forms"]} >= {"depthwise-pointwise", "spatial"}


@pytest.mark.parametrize("shape", ["2,3,12,12", "2x3x12x12", "x:2,3,12,12"])
def test_shapes_on_the_command_line(tmp_path: Path, capsys: Capture, shape: str) -> None:
    shown = convprof(capsys, "analyze", small_model(tmp_path), "--input-shape", shape, "--format", "json")
    assert json.loads(shown.out)["inputs"][0]["shape"] == [2, 3, 12, 12]


def test_max_rank_limits_what_is_offered(tmp_path: Path, capsys: Capture) -> None:
    for limit in (0, 1, 3):
        shown = convprof(capsys, "analyze", small_model(tmp_path), "--max-rank", str(limit), "--format", "json")
        offered = [option for option in json.loads(shown.out)["convs"][1]["forms"] if option["form"] == "spatial"]
        assert len(offered) == limit


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["--input", "12x12x3", "--kernel", "5", "--filters", "256"], ["1228800", "4800", "49152", "53952"]),
        (["--input", "5,5,3", "--kernel", "3", "--filters", "4", "--padding", "1"], ["108", "39"]),
    ],
)
def test_cost_reproduces_the_worked_examples(capsys: Capture, arguments: list[str], numbers: list[str]) -> None:
    shown = convprof(capsys, "cost", *arguments, "--format", "json")
    assert shown.code == 0
    for number in numbers:
        assert number in shown.out
    for form in ("table", "csv", "markdown"):
        assert convprof(capsys, "cost", *arguments, "--format", form).code == 0


@pytest.mark.parametrize("name", FORMATS)
def test_schema(capsys: Capture, name: str) -> None:
    shown = convprof(capsys, "schema", name)
    assert shown.code == 0
    assert "$defs" in json.loads(shown.out)


def test_every_json_is_valid_by_its_schema(run_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    """Those of `plan` are looked at beside its other tests."""
    model, inputs = small_model(tmp_path), data(tmp_path)
    limits = ["--fail-if-drop-above", "1", "--fail-if-params-above", "1.2M", "--fail-if-macs-above", "50%"]
    written = {path.name: valid(path.read_text()) for path in run_dir.glob("*.json")}
    assert written == {"report.json": "run", "plan.json": "plan", "damage.json": "damage"}
    commands: dict[str, list[str | Path]] = {
        "analysis": ["analyze", model],
        "fidelity": ["verify", model, model, "--data", inputs, *limits],
        "benchmark": ["bench", model, model, "--iterations", "3", "--fail-if-slower-than", "1"],
        "comparison": ["compare", run_dir, run_dir, *limits],
        "run": ["report", run_dir],
        "cost": ["cost", "--input", "12x12x3", "--kernel", "5", "--filters", "256"],
    }
    found = {name: valid(convprof(capsys, *command, "--format", "json").out) for name, command in commands.items()}
    assert found == {name: name for name in commands}


@pytest.mark.parametrize(
    ("form", "rank", "emission"),
    [
        ("depthwise-pointwise", "2", "sum"),
        ("depthwise-pointwise", "2", "concat"),
        ("depthwise-pointwise", "2", "multiplier"),
        ("pointwise-depthwise", "2", None),
        ("pointwise-depthwise-pointwise", "8", None),
        ("spatial", "2", None),
        ("channel", "2", None),
        ("tucker2", "2,2", None),
    ],
)
@pytest.mark.parametrize("init", ["weights", "calibrated"])
def test_rewrite_then_verify(
    tmp_path: Path, capsys: Capture, form: str, rank: str, emission: str | None, init: str
) -> None:
    model, out, inputs = small_model(tmp_path), tmp_path / "new" / "out.onnx", data(tmp_path)
    arguments: list[str | Path] = ["--form", form, "--rank", rank, "--init", init, "--calibration", str(inputs)]
    arguments += ["--emission", emission] if emission else []
    result = convprof(capsys, "rewrite", model, "-o", out, *arguments)
    assert (result.code, result.out) == (0, ""), result.err
    assert "3 convolutions replaced" in result.err
    assert ("weights alone" in result.err) == (init == "weights")
    shown = convprof(capsys, "verify", model, out, "--data", inputs, "--labels", "y", "--format", "json")
    assert shown.code == 0, shown.err
    fidelity = json.loads(shown.out)
    assert fidelity["samples"] == 24
    assert fidelity["metric"]["name"] == "top1"
    assert fidelity["outputs"][0]["relative_l2"] < 1.5
    assert {path.name for path in out.parent.iterdir()} == {"out.onnx"}


@pytest.mark.parametrize(("rank", "dearer"), [(1, False), (9, True)])
def test_a_rank_that_saves_nothing_is_said(tmp_path: Path, capsys: Capture, rank: int, dearer: bool) -> None:
    arguments = ("--form", "depthwise-pointwise", "--rank", str(rank), "--only", "features.3.conv", "--init", "weights")
    result = convprof(capsys, "rewrite", SAMPLES / "digits_vgg.onnx", "-o", tmp_path / "o.onnx", *arguments)
    assert result.code == 0
    assert ("cost as much as the old ones" in result.err) == dearer


@pytest.mark.parametrize("asked", [("--calibration", "synthetic"), ()])
@pytest.mark.parametrize(("preprocess", "guessed"), [(("--preprocess", "unit"), False), ((), True)])
def test_without_data_synthetic_pictures_serve(
    tmp_path: Path, capsys: Capture, asked: tuple[str, ...], preprocess: tuple[str, ...], guessed: bool
) -> None:
    arguments = ["-o", str(tmp_path / "o.onnx"), "--form", "depthwise-pointwise", "--rank", "2", *asked, *preprocess]
    result = convprof(capsys, "rewrite", small_model(tmp_path), *arguments)
    assert result.code == 0, result.err
    assert "synthetic pictures" in result.err
    assert "weights alone" not in result.err
    assert ("--preprocess imagenet" in result.err) == guessed


def test_synthetic_pictures_are_worth_more_than_the_weights_alone(tmp_path: Path, capsys: Capture) -> None:
    model, test = SAMPLES / "digits_vgg.onnx", SAMPLES / "digits_test.npz"
    scores = {}
    for init in ("weights", "calibrated"):
        out = tmp_path / f"{init}.onnx"
        arguments = ("--form", "depthwise-pointwise", "--rank", "2", "--skip", "features.0.conv", "--init", init)
        assert convprof(capsys, "rewrite", model, "-o", out, *arguments, "--preprocess", "unit").code == 0
        judged = ("--data", test, "--labels", "y", "--preprocess", "unit", "--format", "json")
        scores[init] = json.loads(convprof(capsys, "verify", model, out, *judged).out)["metric"]["after"]
    assert scores["calibrated"] > scores["weights"] + 0.5


def test_a_folder_called_synthetic_is_a_folder(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "synthetic").mkdir()
    monkeypatch.chdir(tmp_path)
    arguments = ("-o", "o.onnx", "--form", "spatial", "--rank", "1", "--preprocess", "unit", "--calibration")
    assert convprof(capsys, "rewrite", small_model(tmp_path), *arguments, "synthetic").code == 0
    assert "holds no pictures" in convprof(capsys, "rewrite", "model.onnx", *arguments, "./synthetic").err


def test_what_only_synthetic_pictures_judged_is_said(tmp_path: Path, capsys: Capture) -> None:
    arguments = ("--target-macs", "0.9", "--iterations", "3", "-o", tmp_path / "run", "--preprocess", "unit")
    result = convprof(capsys, "optimize", small_model(tmp_path), *arguments)
    assert result.code in (0, 1), result.err
    run = json.loads((tmp_path / "run" / "report.json").read_text())
    assert [notice["code"] for notice in run["notices"]] == ["synthetic-calibration", "judged-on-synthetic"]
    assert run["fidelity"]["samples"] == 64


def test_only_and_skip(tmp_path: Path, capsys: Capture) -> None:
    model = small_model(tmp_path)

    def replaced(*arguments: str) -> set[str]:
        spatial = ("--form", "spatial", "--rank", "1", "--init", "weights", *arguments)
        result = convprof(capsys, "rewrite", model, "-o", tmp_path / "o.onnx", *spatial)
        assert result.code == 0, result.err
        names = {node.name for node in onnx.load(tmp_path / "o.onnx").graph.node}
        return {name for name in "abc" if name not in names}

    assert replaced() == {"a", "b", "c"}
    assert replaced("--only", "b") == {"b"}
    assert replaced("--only", "b", "--only", "c", "--skip", "c") == {"b"}
    assert replaced("--skip", "a") == {"b", "c"}


def test_what_a_form_does_not_suit_is_refitted_behind_what_it_does(tmp_path: Path, capsys: Capture) -> None:
    """The conv in the middle has one axis: `spatial` refuses it; a plan that names it `dense` does the same."""
    text = """g (float[N, 3, 12, 12] x) => (float[N, 8, 12, 12] y) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w1)  r = Relu(a)
        b = Conv <pads = [0, 1, 0, 1]> (r, w2)  s = Relu(b)  y = Conv <pads = [1, 1, 1, 1]> (s, w3)
    }"""
    kernels = {"w1": noise(8, 3, 3, 3), "w2": noise(8, 8, 1, 3, seed=1), "w3": noise(8, 8, 3, 3, seed=2)}
    model, inputs = store(tmp_path / "rows.onnx", text, **kernels), data(tmp_path)
    spatial = ("--form", "spatial", "--rank", "2", "--calibration", inputs)

    def said(name: str, *arguments: str | Path) -> str:
        result = convprof(capsys, "rewrite", model, "-o", tmp_path / name, *arguments)
        assert result.code == 0, result.err
        return result.err

    assert "2 convolutions replaced, 1 kept dense, refitted" in said("all.onnx", *spatial)
    assert "refitted" not in said("skip.onnx", *spatial, "--skip", "b")
    assert "refitted" not in said("last.onnx", *spatial, "--only", "y")
    assert "refitted" not in said("weights.onnx", *spatial, "--init", "weights")
    layers = [{"name": n, "form": "spatial", "rank": [2]} for n in "ay"] + [{"name": "b", "form": "dense", "rank": []}]
    plan = {"schema": "convprof.plan/1", "model": {"path": "", "sha256": ""}, "layers": layers}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert "1 kept dense, refitted" in said("plan.onnx", "--plan", tmp_path / "plan.json", "--calibration", inputs)
    planned, chosen = (onnx.load(tmp_path / name).graph.initializer for name in ("plan.onnx", "all.onnx"))
    assert list(planned) == list(chosen)
    layers[2]["rank"] = [2]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    result = convprof(capsys, "rewrite", model, "-o", tmp_path / "o.onnx", "--plan", tmp_path / "plan.json")
    assert "dense takes no rank" in refused(result)


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_a_model_verified_against_itself(tmp_path: Path, capsys: Capture, form: str) -> None:
    model = small_model(tmp_path)
    shown = convprof(capsys, "verify", model, model, "--data", data(tmp_path), "--format", form)
    assert shown.code == 0
    if form == "json":
        assert json.loads(shown.out)["outputs"][0]["max_abs"] == 0


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "html"])
def test_a_model_timed_against_itself(tmp_path: Path, capsys: Capture, form: str) -> None:
    model = small_model(tmp_path)
    shown = convprof(capsys, "bench", model, model, "--iterations", "6", "--warmup", "1", "--format", form)
    assert shown.code == 0, shown.err
    if form == "json":
        benchmark = json.loads(shown.out)
        assert [len(times["samples_ms"]) for times in benchmark["models"]] == [6, 6]
        assert benchmark["comparisons"][0]["verdict"] in (
            "no-measurable-difference",
            "inconclusive",
            "faster",
            "slower",
        )
        assert benchmark["environment"]["threads"] == 1


def test_bench_for_a_duration(tmp_path: Path, capsys: Capture) -> None:
    arguments = ["--duration", "0.2", "--format", "json", "--input-shape", "2,3,12,12", "--threads", "2"]
    shown = convprof(capsys, "bench", small_model(tmp_path), *arguments)
    assert shown.code == 0
    assert len(json.loads(shown.out)["models"][0]["samples_ms"]) > 1


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "html"])
def test_throughput_at_batch_sizes(tmp_path: Path, capsys: Capture, form: str) -> None:
    model = small_model(tmp_path)
    arguments = ["--batch", "1,4", "--batch", "2,4", "--iterations", "6", "--warmup", "0", "--format", form]
    shown = convprof(capsys, "bench", model, model, *arguments)
    assert shown.code == 0, shown.err
    if form == "json":
        benchmark = json.loads(shown.out)
        found = benchmark["throughput"]
        assert [each["batch"] for each in found] == [1, 4, 2]
        # The models' own batch is 1 here: that was measured already.
        assert found[0]["models"][0]["times"] == benchmark["models"][0]
        assert found[1]["models"][0]["times"] != benchmark["models"][0]
        assert all(low <= m["per_second"] <= high for t in found for m in t["models"] for low, high in [m["interval"]])
    elif form == "csv":
        assert shown.out.count("model.onnx") == 8
    else:
        assert "Throughput" in shown.out


def test_a_fixed_batch_is_measured_at_its_own_size(tmp_path: Path, capsys: Capture) -> None:
    fixed = store(tmp_path / "fixed.onnx", "g (float[4, 3] x, float[3] k) => (float[4, 3] y) { y = Add(x, k) }")
    options = ["--iterations", "3", "--format", "json"]
    shown = convprof(capsys, "bench", fixed, "--batch", "4", *options)
    assert [each["batch"] for each in json.loads(shown.out)["throughput"]] == [4]
    said = refused(convprof(capsys, "bench", fixed, "--batch", "4,8", *options))
    assert said.startswith("batch 8: ")
    assert "fixed.onnx takes 4 only" in said


def test_an_input_of_a_fixed_size_stays_beside_one_whose_batch_is_free(tmp_path: Path, capsys: Capture) -> None:
    both = store(tmp_path / "both.onnx", "g (float[N, 3] x, float[3] k) => (float[N, 3] y) { y = Add(x, k) }")
    shown = convprof(capsys, "bench", both, "--batch", "4", "--iterations", "3", "--format", "json")
    assert shown.code == 0, shown.err
    scalar = store(tmp_path / "scalar.onnx", "g (float x) => (float y) { y = Exp(x) }")
    assert "inputs without a batch" in refused(convprof(capsys, "bench", scalar, "--batch", "2"))


def test_bench_says_how_models_were_run(tmp_path: Path, capsys: Capture) -> None:
    asked = ["--threads", "2", "--inter-op-threads", "2", "--graph-optimization", "basic"]
    entry = "session.intra_op.allow_spinning=0"
    arguments = [*asked, "--session-option", entry, "--iterations", "6", "--format"]
    shown = convprof(capsys, "bench", small_model(tmp_path), *arguments, "json")
    assert shown.code == 0, shown.err
    found = json.loads(shown.out)
    where = found["environment"]
    assert (where["threads"], where["inter_op_threads"], where["graph_optimization"]) == (2, 2, "basic")
    assert where["session_options"] == {"session.intra_op.allow_spinning": "0"}
    assert found["machine"]["logical_cores"] >= 1
    told = " ".join(process("bench", "model.onnx", *arguments, "table", cwd=tmp_path).out.split())
    assert "2 threads within operators, 2 between them" in told
    assert "graph optimization basic" in told
    assert f"Reproduce: convprof bench model.onnx {' '.join(asked)}" in told


def test_bench_until_the_ratio_is_known(tmp_path: Path, capsys: Capture) -> None:
    arguments = ["--interval-width", "40%", "--duration", "5", "--format", "json"]
    shown = convprof(capsys, "bench", small_model(tmp_path), *arguments)
    assert shown.code == 0, shown.err
    assert json.loads(shown.out)["floor"]["baseline"] == 0


def test_bench_in_processes_of_their_own(tmp_path: Path, capsys: Capture) -> None:
    model = small_model(tmp_path)
    shown = convprof(capsys, "bench", model, "--processes", "2", "--iterations", "3", "--no-floor", "--format", "json")
    assert shown.code == 0, shown.err
    found = json.loads(shown.out)
    assert found["processes"] == [{"rounds": 3, "settling": 0}] * 2
    assert found["floor"] is None


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_bench_against_a_limit(tmp_path: Path, capsys: Capture, form: str) -> None:
    model = small_model(tmp_path)

    def held(limit: str, *more: str) -> tuple[int, str]:
        arguments = ["--no-floor", "--fail-if-slower-than", limit, "--format", form, *more]
        shown = convprof(capsys, "bench", model, model, *arguments)
        return shown.code, shown.err if form != "json" else json.loads(shown.out)["gates"][0]["outcome"]

    assert held("0.01") == (0, "" if form != "json" else "passed")
    code, said = held("100")
    assert code == 1
    assert "failed" in said
    code, said = held("1", "--iterations", "3")
    assert code == 1
    assert "inconclusive" in said


def test_what_is_faster_and_as_good_is_worth_it(tmp_path: Path) -> None:
    inputs = data(tmp_path, 4, (128, 28, 28))
    arguments: list[str | Path] = [
        "--eval",
        inputs,
        "--target-macs",
        "0.2",
        "--iterations",
        "40",
        "-o",
        tmp_path / "run",
    ]
    result = process("optimize", separable_model(tmp_path), *arguments)
    assert result.code == 0, result.out + result.err
    assert "Worth it" in result.out
    assert "weights alone" in result.err
    assert set(written(result, tmp_path / "run")) == PAPERS - {"int8.onnx"}


def test_what_is_worse_is_not_worth_it(tmp_path: Path, capsys: Capture) -> None:
    arguments: list[str | Path] = [
        "--eval",
        data(tmp_path),
        "--target-macs",
        "0.3",
        "--iterations",
        "5",
        "-o",
        tmp_path / "run",
    ]
    result = convprof(capsys, "optimize", small_model(tmp_path), *arguments)
    assert result.code == 1, result.err
    assert "Not worth it" in result.out
    assert set(written(result, tmp_path / "run")) == PAPERS


def test_a_metric_of_the_users_own_decides(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def loss(outputs, labels):\n    return -abs(outputs['y']).sum(axis=1) * 1e6\n")
    arguments: list[str | Path] = [
        "--eval",
        data(tmp_path),
        "--labels",
        "y",
        "--metric",
        "mine:loss",
        "--target-macs",
        "0.3",
    ]
    result = process("optimize", small_model(tmp_path), *arguments, "--iterations", "5", "-o", "run", cwd=tmp_path)
    assert result.code == 1, result.err
    run = json.loads((tmp_path / "run" / "report.json").read_text())
    assert "mine:loss" in run["fidelity"]["metric"]["name"]


def test_quiet_says_nothing_on_stderr(tmp_path: Path, capsys: Capture) -> None:
    model, inputs = small_model(tmp_path), data(tmp_path)
    spatial = ["--form", "spatial", "--rank", "1", "-q"]
    commands: list[list[str | Path]] = [
        ["analyze", model, "--quiet"],
        ["rewrite", model, "-o", tmp_path / "o.onnx", *spatial],
        ["verify", model, model, "--data", inputs, "-q"],
        ["bench", model, "--iterations", "3", "-q"],
        ["optimize", model, "--target-macs", "0.9", "--iterations", "3", "-o", tmp_path / "run", "-q"],
    ]
    for arguments in commands:
        result = convprof(capsys, *arguments)
        assert result.code in (0, 1)
        assert result.err == ""


def test_no_colours_where_there_is_no_terminal(tmp_path: Path, capsys: Capture) -> None:
    for command in (["analyze", small_model(tmp_path)], ["--help"], ["analyze", "--help"], ["analyze", "missing"]):
        result = convprof(capsys, *command)
        assert "\x1b" not in result.out + result.err


def test_without_a_command_help_is_shown(capsys: Capture) -> None:
    assert convprof(capsys) == convprof(capsys, "--help")
    assert convprof(capsys, "--help").code == 0


@pytest.mark.parametrize(
    "command", ["analyze", "optimize", "rewrite", "verify", "bench", "report", "compare", "cost", "schema"]
)
def test_every_command_has_help_with_examples(capsys: Capture, command: str) -> None:
    shown = convprof(capsys, command, "--help")
    assert shown.code == 0
    assert f"convprof {command}" in shown.out.split("Example")[1]


def test_the_version(capsys: Capture) -> None:
    assert __version__ in convprof(capsys, "--version").out


def test_an_encoding_without_our_characters_is_no_obstacle(tmp_path: Path) -> None:
    result = process("analyze", small_model(tmp_path), env={"PYTHONIOENCODING": "ascii"})
    assert (result.code, result.err) == (0, "")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    shell = f"{sys.executable} -m convprof analyze {small_model(tmp_path)} --format json | head -c 1"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, env=env, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "{", "")


@pytest.mark.parametrize("command", ["rewrite", "optimize"])
def test_help_names_every_form(capsys: Capture, command: str) -> None:
    *others, last = FORMS
    wanted = f"{', '.join(others)} or {last}"
    assert wanted.replace(" ", "") in "".join(convprof(capsys, command, "--help").out.split())


def test_quantize_writes_what_can_be_verified_and_measured(tmp_path: Path, capsys: Capture) -> None:
    model, pictures, made = small_model(tmp_path), data(tmp_path), tmp_path / "deep" / "int8.onnx"
    found = convprof(capsys, "quantize", model, "-o", made, "--calibration", pictures)
    assert (found.code, found.out) == (0, "")
    assert "in int8 by 24 inputs" in found.err
    assert [path.name for path in made.parent.iterdir()] == ["int8.onnx"]
    fidelity = json.loads(convprof(capsys, "verify", model, made, "--data", pictures, "--format", "json").out)
    assert fidelity["samples"] == 24
    assert fidelity["outputs"][0]["sqnr_db"] > 25
    times = json.loads(convprof(capsys, "bench", model, made, "--iterations", "3", "--format", "json").out)
    assert [Path(each["path"]).name for each in times["models"]] == ["model.onnx", "int8.onnx"]


def test_quantize_says_nothing_and_leaves_nothing_else(tmp_path: Path) -> None:
    """Its library prints, logs, and writes files of its own: none of it may reach the user."""
    work, spare = tmp_path / "work", tmp_path / "spare"
    work.mkdir()
    spare.mkdir()
    arguments = ("quantize", small_model(work), "-o", "int8.onnx", "--calibration", data(work), "-q")
    assert process(*arguments, cwd=work, env={"TMPDIR": str(spare)}) == Result(0, "", "")
    assert {path.name for path in work.iterdir()} == {"model.onnx", "data.npz", "int8.onnx"}
    assert list(spare.iterdir()) == []


def test_the_emission_is_chosen_by_measurement(tmp_path: Path, capsys: Capture) -> None:
    arguments = ["--form", "depthwise-pointwise", "--rank", "2", "--emission", "auto", "--init", "weights", "-q"]
    assert convprof(capsys, "rewrite", small_model(tmp_path), "-o", tmp_path / "out.onnx", *arguments).code == 0
    named = [node.name for node in onnx.load(tmp_path / "out.onnx").graph.node if "/convprof/" in node.name]
    assert named
    spatial = ["--form", "spatial", *arguments[2:]]
    assert convprof(capsys, "rewrite", small_model(tmp_path), "-o", tmp_path / "b.onnx", *spatial).code == 0

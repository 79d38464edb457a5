"""optimize --tune: the model that is judged and benchmarked is the trained one, and every method's score is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import convprof
from convprof.cli import run as command
from convprof.records.files import decode
from convprof.records.plan import Budget
from convprof.records.run import Run
from convprof.records.tuning import Settings

SAMPLES = Path(__file__).parents[2] / "sample_models"
MODEL = SAMPLES / "digits_vgg.onnx"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, count in (("calib", 16), ("test", 24)):
        with np.load(SAMPLES / f"digits_{name}.npz") as pictures:
            np.savez(folder / f"{name}.npz", **{key: pictures[key][:count] for key in pictures.files})
    return folder


def test_the_trained_model_is_judged_after_each_method(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["optimize", MODEL, "--calibration", data / "calib.npz", "--eval", data / "test.npz", "--labels", "y"]
    arguments += [
        "--preprocess",
        "unit",
        "--only",
        "features.1.conv",
        "--form",
        "depthwise-pointwise",
        "--target-macs",
        "0.85",
    ]
    arguments += ["--iterations", "3", "--tune", "--time-budget", "1s", "-o", tmp_path / "run", "-q"]
    assert command([str(each) for each in arguments]) in (0, 1)
    run = decode((tmp_path / "run" / "report.json").read_bytes(), Run, "report")
    assert [each.name for each in run.scores] == ["weights only", "closed form", "reconstruct", "distill"]
    assert [each.samples for each in run.scores] == [None, 16, 13, 13]
    assert run.scores[-1].fidelity == run.fidelity
    assert "tune" in [stage.name for stage in run.stages]
    found = convprof.verify(
        MODEL, tmp_path / "run" / "model.onnx", data=str(data / "test.npz"), labels="y", preprocess="unit"
    )
    assert run.fidelity is not None
    assert found.outputs[0].relative_l2 == run.fidelity.outputs[0].relative_l2
    assert run.analysis_after.model.sha256 in (tmp_path / "run" / "report.json").read_text()
    shown = (tmp_path / "run" / "report.html").read_text()
    assert all(name in shown for name in ("weights only", "closed form", "reconstruct", "distill"))
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    capsys.readouterr()


@pytest.mark.parametrize("where", ["distill", "bench"])
def test_what_was_cut_short_goes_on_with_both(data: Path, tmp_path: Path, where: str) -> None:
    def run(resume: bool, stop_at: str | None) -> Run:
        def progress(what: str, done: int, total: int) -> None:
            if stop_at is not None and what.startswith(stop_at) and done > total // 2:
                raise KeyboardInterrupt

        return convprof.optimize(
            MODEL,
            tmp_path / "run",
            calibration=str(data / "calib.npz"),
            preprocess="unit",
            budget=Budget(target_macs=0.83),
            forms=["channel"],
            only=["features.1.conv"],
            iterations=3,
            tune=Settings(epochs=8, threads=1, learning_rate=3e-4, recipe=("reconstruct", "distill")),
            resume=resume,
            progress=progress,
        )

    with pytest.raises(KeyboardInterrupt):
        run(resume=False, stop_at=where)
    assert (tmp_path / "run.tune").is_file()
    again = run(resume=True, stop_at=None)
    assert [each.name for each in again.scores] == ["weights only", "closed form", "reconstruct", "distill"]
    errors = {each.fidelity.outputs[0].relative_l2 for each in again.scores[1:]}
    assert len(errors) == 3
    found = convprof.verify(MODEL, tmp_path / "run" / "model.onnx", data=str(data / "calib.npz"), preprocess="unit")
    assert found.outputs[0].relative_l2 == again.scores[-1].fidelity.outputs[0].relative_l2
    assert not (tmp_path / "run.tune").exists()


@pytest.mark.parametrize("arguments", [(), ("--calibration", "synthetic")])
def test_without_data_it_is_refused_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert (
        command(["optimize", str(MODEL), *arguments, "--preprocess", "unit", "--tune", "-o", str(tmp_path / "run")])
        == 2
    )
    assert "no data to train on (give --calibration DATA)" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_labels_of_the_calibration_data_are_learned_where_the_recipe_says_so(data: Path, tmp_path: Path) -> None:
    run = convprof.optimize(
        MODEL,
        tmp_path / "run",
        calibration=str(data / "test.npz"),
        evaluation=str(data / "test.npz"),
        labels="y",
        preprocess="unit",
        budget=Budget(target_macs=0.85),
        forms=["channel"],
        only=["features.1.conv"],
        iterations=3,
        tune=Settings(epochs=2, threads=1, recipe=("distill", "finetune")),
    )
    assert [each.name for each in run.scores] == ["weights only", "closed form", "distill", "finetune"]
    assert [each.samples for each in run.scores] == [None, 24, 19, 19]


@pytest.mark.parametrize(("option", "value"), [("--time-budget", "1s"), ("--recipe", "distill")])
def test_options_of_training_are_for_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert command(["optimize", str(MODEL), option, value, "-o", str(tmp_path / "run")]) == 2
    assert f"{option}: it is about training (give --tune too)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("finetune", "it learns from labels (give --labels NAME)"),
        ("bias,distill", "leave bias out"),
        ("magic", "no method is called 'magic'"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused_before_anything_is_done(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recipe: str, expected: str
) -> None:
    options = ["--calibration", str(data / "calib.npz"), "--preprocess", "unit", "--tune", "--recipe", recipe]
    assert command(["optimize", str(MODEL), *options, "-o", str(tmp_path / "run")]) == 2
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_several_processes_are_told_to_train_what_one_has_planned(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    options = ["--calibration", str(data / "calib.npz"), "--preprocess", "unit", "--tune", "-o", str(tmp_path / "run")]
    assert command(["optimize", str(MODEL), *options]) == 2
    assert "all but the training is for one (start `convprof tune` with torchrun" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

"""The method `bias`: means alone, kept only where inputs that were held out agree, and no torch anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

import convprof
from convprof.errors import DataError, ModelError, UsageError
from convprof.records.tuning import Settings, TunedStage

NETWORK = """g (float[N, 3, 8, 8] x) => (float[N, 5, 6, 6] y) {
    [first] a = Conv <pads = [1, 1, 1, 1]> (x, w, b)  r = Relu(a)  [second] c = Conv <pads = [1, 1, 1, 1]> (r, v)
    s = Add(c, r)  t = Relu(s)  [third] y = Conv(t, z)
}"""
BIAS = Settings(recipe=("bias",))


def noise(*shape: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) / np.float32(3)


def place(folder: Path, samples: int = 60, text: str = NETWORK) -> dict[str, Any]:
    """A model, its conversion from the weights alone, and data: the arguments of `tune`."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
    shapes = {"w": (4, 3, 3, 3), "b": (4,), "v": (4, 4, 3, 3), "z": (5, 4, 3, 3)}
    weights = (numpy_helper.from_array(noise(*shape, seed=i), name) for i, (name, shape) in enumerate(shapes.items()))
    model.graph.initializer.extend(weights)
    onnx.save(model, folder / "model.onnx")
    convprof.rewrite(
        folder / "model.onnx", folder / "small.onnx", form="depthwise-pointwise", rank=(1,), init="weights"
    )
    np.savez(folder / "data.npz", x=1 + noise(samples, 3, 8, 8, seed=9))
    return {"student": folder / "small.onnx", "output": folder / "out.onnx"} | {
        "teacher": folder / "model.onnx",
        "calibration": str(folder / "data.npz"),
    }


def tuned(arguments: dict[str, Any]) -> TunedStage:
    (stage,) = convprof.tune(**arguments, settings=BIAS).stages
    return stage


def test_means_bring_a_conversion_closer(tmp_path: Path) -> None:
    arguments = place(tmp_path)
    stage = tuned(arguments)
    assert (stage.method, stage.measure, stage.samples, stage.held_out) == ("bias", "relative_l2", 30, 30)
    assert stage.after < 0.8 * stage.before
    assert stage.kept == stage.steps == 3
    fresh = tmp_path / "fresh.npz"
    np.savez(fresh, x=1 + noise(40, 3, 8, 8, seed=10))
    before, after = (
        convprof.verify(arguments["teacher"], arguments[each], data=str(fresh)).outputs[0].relative_l2
        for each in ("student", "output")
    )
    assert before is not None
    assert after is not None
    assert after < 0.8 * before


def test_what_held_out_inputs_do_not_confirm_is_not_kept(tmp_path: Path) -> None:
    arguments = place(tmp_path)
    inputs = 1 + noise(60, 3, 8, 8, seed=9)
    inputs[1::2] *= -3
    np.savez(arguments["calibration"], x=inputs)
    record = convprof.tune(**arguments, settings=BIAS)
    (stage,) = record.stages
    assert (stage.kept, stage.after) == (0, stage.before)
    assert [notice.code for notice in record.notices] == ["no-gain"]
    before, after = (
        {each.name: each.SerializeToString() for each in onnx.load(arguments[name]).graph.initializer}
        for name in ("student", "output")
    )
    assert before == after


def test_it_works_where_there_is_no_torch(tmp_path: Path) -> None:
    arguments = place(tmp_path)
    program = (
        "import sys\nsys.modules['torch'] = None\nfrom convprof.__main__ import main\n"
        f"sys.argv = ['convprof', 'tune', {str(arguments['student'])!r}, '--teacher', {str(arguments['teacher'])!r}, "
        f"'--calibration', {arguments['calibration']!r}, '--recipe', 'bias', '-o', {str(tmp_path / 'cli.onnx')!r}]\n"
        "raise SystemExit(main())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "bias" in ran.stdout
    tuned(arguments)
    assert (tmp_path / "cli.onnx").read_bytes() == (tmp_path / "out.onnx").read_bytes()


@pytest.mark.parametrize(
    ("recipe", "changes", "error", "why"),
    [
        (("distill", "bias"), {}, UsageError, "name bias first"),
        (("bias", "bias"), {}, UsageError, "name bias first"),
        (("bias",), {"teacher": None}, UsageError, "imitates a teacher"),
    ],
)
def test_recipes_that_make_no_sense(
    tmp_path: Path, recipe: tuple[str, ...], changes: dict[str, None], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        convprof.tune(**(place(tmp_path) | changes), settings=Settings(recipe=recipe))
    assert not (tmp_path / "out.onnx").exists()


def test_too_few_inputs_and_broken_models(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few to take means"):
        tuned(place(tmp_path, samples=1))
    arguments = place(tmp_path)
    model = onnx.load(arguments["student"])
    (bias,) = (each for each in model.graph.initializer if each.dims == [4])
    bias.CopyFrom(numpy_helper.from_array(np.full(4, np.nan, np.float32), bias.name))
    onnx.save(model, arguments["student"])
    with pytest.raises(ModelError, match="answers NaN or infinity"):
        tuned(arguments)


def test_a_fixed_batch(tmp_path: Path) -> None:
    stage = tuned(place(tmp_path, samples=44, text=NETWORK.replace("[N,", "[4,")))
    assert (stage.samples, stage.held_out, stage.batch) == (20, 20, 4)

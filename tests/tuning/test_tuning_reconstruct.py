"""Reconstruction: at the end of every block the student comes closer, and so do its outputs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import onnx_ir as ir
import pytest
from small_networks import CLASSES, NORMALISED, PICTURES, SOFT, problem, same, trained

from convprof.pipeline import recipes
from convprof.records.tuning import Settings

RECIPE = ("reconstruct", "distill")
QUICK = Settings(batch=32, learning_rate=0.01, threads=1, epochs=4, recipe=RECIPE)


@pytest.mark.parametrize("text", [CLASSES, SOFT, PICTURES, NORMALISED])
def test_the_student_comes_closer_to_the_teacher(tmp_path: Path, text: str) -> None:
    (stage,) = problem(tmp_path, text).tune(epochs=20, recipe=("reconstruct",)).stages
    assert (stage.method, stage.measure, stage.better) == ("reconstruct", "relative_l2", "lower")
    assert stage.after < 0.9 * stage.before


@pytest.mark.parametrize(
    ("shape", "samples", "recipe"),
    [
        ("[N, 10]", 4095, RECIPE),
        ("[N, 10]", 4096, ("distill",)),
        ("[N, 10, 1, 1]", 100, RECIPE),
        ("[N, 1, 8, 8]", 100, ("distill",)),
        ("[N, 1, H, W]", 100, ("distill",)),
        ("[1, 8400, 85]", 100, ("distill",)),
        ("", 100, RECIPE),
    ],
)
def test_blocks_are_matched_first_where_answers_are_few_numbers(
    shape: str, samples: int, recipe: tuple[str, ...]
) -> None:
    text = f'<ir_version: 8, opset_import: ["": 17]> g (float{shape} x) => (float{shape} y) {{ y = Relu(x) }}'
    assert recipes.usual(ir.from_onnx_text(text), samples) == recipe


@pytest.mark.parametrize("stop_after", [1, 50, 60])
def test_what_goes_on_ends_as_what_was_never_stopped(tmp_path: Path, stop_after: int) -> None:
    each = problem(tmp_path, NORMALISED)
    whole = trained(each, QUICK, output="whole.onnx")
    with pytest.raises(KeyboardInterrupt):
        trained(each, QUICK, stop_after)
    again = trained(each, QUICK, resume=True)
    for one, other in zip(whole.stages, again.stages, strict=True):
        assert msgspec.structs.replace(one, minutes=0, curve=()) == msgspec.structs.replace(other, minutes=0, curve=())
    assert [stage.method for stage in again.stages] == list(RECIPE)
    assert same(each.weights("whole.onnx"), each.weights())


def test_a_recipe_left_open_goes_by_the_number_of_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = problem(tmp_path, samples=40)
    assert each.tune(epochs=1, recipe=None).settings.recipe == RECIPE
    monkeypatch.setattr("convprof.pipeline.recipes.FEW", 40)
    assert each.tune(epochs=1, recipe=None).settings.recipe == ("distill",)

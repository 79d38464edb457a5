"""Reconstruction: block by block the student comes closer, and a run cut short goes on as if it had not been."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from small_networks import NORMALISED, PICTURES, SOFT, problem, same, trained, weights

from convprof.records.tuning import Settings

RECIPE = ("reconstruct", "distill")
QUICK = Settings(batch=32, learning_rate=0.01, threads=1, epochs=4, recipe=RECIPE)


@pytest.mark.parametrize(("text", "parts"), [(PICTURES, 2), (SOFT, 2)])
def test_every_block_from_the_first_converted_one_on_comes_closer(tmp_path: Path, text: str, parts: int) -> None:
    each = problem(tmp_path, text)
    record = each.tune(epochs=20, recipe=("reconstruct",))
    assert [stage.part for stage in record.stages] == [f"block {i} of {parts}" for i in range(1, parts + 1)]
    assert {(stage.method, stage.measure) for stage in record.stages} == {("reconstruct", "relative_l2")}
    assert record.stages[0].after < 0.9 * record.stages[0].before
    before, after = weights(each.student), each.weights()
    assert np.array_equal(before["w1"], after["w1"])
    assert not np.array_equal(before["w4" if text == PICTURES else "w3"], after["w4" if text == PICTURES else "w3"])


def test_a_block_takes_so_many_steps_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convprof.tuning.settings.BLOCK_STEPS", 5)
    record = problem(tmp_path).tune(seconds=2.0, recipe=RECIPE)
    *blocks, distilled = record.stages
    assert [stage.steps for stage in blocks] == [5, 5]
    assert distilled.steps > 20


@pytest.mark.parametrize("stop_after", [1, 50, 90])
def test_what_goes_on_ends_as_what_was_never_stopped(tmp_path: Path, stop_after: int) -> None:
    each = problem(tmp_path, NORMALISED)
    whole = trained(each, QUICK, output="whole.onnx")
    with pytest.raises(KeyboardInterrupt):
        trained(each, QUICK, stop_after)
    again = trained(each, QUICK, resume=True)
    for one, other in zip(whole.stages, again.stages, strict=True):
        assert msgspec.structs.replace(one, minutes=0, curve=()) == msgspec.structs.replace(other, minutes=0, curve=())
    assert [stage.method for stage in again.stages] == ["reconstruct", "reconstruct", "distill"]
    assert same(each.weights("whole.onnx"), each.weights())


def test_statistics_before_the_block_stay(tmp_path: Path) -> None:
    each = problem(tmp_path, NORMALISED)
    each.tune(epochs=2, recipe=("reconstruct",))
    before, after = weights(each.student), each.weights()
    assert all(np.array_equal(before[name], after[name]) for name in "mv")

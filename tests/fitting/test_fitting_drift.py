"""The model's error behind each layer is that of the model converted as far as that layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import RESIDUAL, model, pictures, plan, prepared

from convprof import fitting, rewriting
from convprof.execution import spread
from convprof.graph import serialized
from convprof.runtime import RunOptions, open_session

OPTIONS = RunOptions()


@pytest.mark.parametrize("form", ["depthwise-pointwise", "pointwise-depthwise", "spatial"])
def test_errors_are_those_of_models_converted_so_far(tmp_path: Path, form: str) -> None:
    dense = model(tmp_path)
    chosen = plan(dense, form=form)
    batches = pictures(tmp_path, dense)
    fitted = fitting.fit(dense, chosen, batches, options=OPTIONS, seed=0)
    (feeds,) = spread(dense, batches, 8)
    original = open_session(serialized(dense.program)).run(feeds)
    for number, layer in enumerate(fitted, 1):
        so_far = rewriting.rewrite(dense, chosen, fitted[:number], tmp_path / f"{number}.onnx")
        converted = open_session(serialized(so_far.program)).run(feeds)
        wanted = max(
            float(np.linalg.norm(converted[name] - original[name]) / np.linalg.norm(original[name]))
            for name in dense.outputs
        )
        assert layer.model_error == pytest.approx(wanted, rel=1e-4)


def test_a_layer_that_changes_nothing_adds_nothing(tmp_path: Path) -> None:
    dense = model(tmp_path)
    exact = plan(dense, "a", "b", rank=(6,))
    fitted = fitting.fit(dense, exact, pictures(tmp_path, dense), options=OPTIONS, seed=0)
    assert all(layer.model_error is not None and layer.model_error < 1e-5 for layer in fitted)


def test_a_fixed_batch_that_is_too_large_is_not_measured(tmp_path: Path) -> None:
    dense, chosen, batches = prepared(tmp_path, RESIDUAL.replace("float[N", "float[20"))
    fitted = fitting.fit(dense, chosen, batches, options=OPTIONS, seed=0)
    assert [layer.model_error for layer in fitted] == [None] * 5


def test_a_fixed_batch_is_measured_batch_by_batch(tmp_path: Path) -> None:
    dense, chosen, batches = prepared(tmp_path, RESIDUAL.replace("float[N", "float[4"))
    assert [len(feed["x"]) for feed in spread(dense, batches, 11)] == [4, 4]
    fitted = fitting.fit(dense, chosen, batches, options=OPTIONS, seed=0)
    assert all(layer.model_error for layer in fitted)


def test_outputs_that_are_no_numbers_do_not_matter(tmp_path: Path) -> None:
    text = RESIDUAL.replace("float[N, 6, 10, 10] early", "string[a] early").replace(
        "early = Add(c, r)  t = Relu(early)", 'early = Constant <value_strings = ["a"]> ()  h = Add(c, r)  t = Relu(h)'
    )
    dense, chosen, batches = prepared(tmp_path, text)
    assert dense.numeric_outputs == ("y",)
    fitted = fitting.fit(dense, chosen, batches, options=OPTIONS, seed=0)
    assert all(layer.model_error for layer in fitted)

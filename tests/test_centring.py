"""Mean responses come back to where they were, conv by conv, whatever a change has moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper, parser

from convprof.centring import mean_shifts
from convprof.errors import ModelError
from convprof.execution import Walk, load, settle
from convprof.forms import PLANNABLE
from convprof.graph import Model, Names, find_convs, infer, replace_conv, shift_biases
from convprof.holding import Store
from convprof.records.convs import Rank
from convprof.records.factors import Factors
from convprof.records.plan import Emission
from convprof.runtime import RunOptions

Array = NDArray[Any]
OPTIONS = RunOptions()
BLOCK = """
    a = Conv <pads = [1, 1, 1, 1]> (x, w, b)  r = Relu(a)
    c = Conv <pads = [1, 1, 1, 1]> (r, v)  d = Conv(x, u)  s = Add(c, d)  t = Relu(s)
    y = Conv <strides = [2, 2]> (t, z)
"""


def noise(*shape: int, seed: int = 0) -> Array:
    return (np.random.default_rng(seed).standard_normal(shape) / 3).astype(np.float32)


WEIGHTS = {
    "w": noise(4, 3, 3, 3),
    "b": noise(4, seed=1),
    "v": noise(4, 4, 3, 3, seed=2),
    "u": noise(4, 3, 1, 1, seed=3),
    "z": noise(5, 4, 2, 2, seed=4),
}
FEEDS = [{"x": 1 + noise(6, 3, 8, 8, seed=5)}, {"x": 1 + noise(2, 3, 8, 8, seed=6)}]


def opened(folder: Path, text: str = BLOCK, weights: dict[str, Array] = WEIGHTS) -> Model:
    head = '<ir_version: 8, opset_import: ["": 17]> g (float[N, 3, 8, 8] x) => (float[N, k, h, l] y)'
    proto = parser.parse_model(f"{head} {{ {text} }}")
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    path = folder / "model.onnx"
    onnx.save(proto, path)
    return settle(load(path), {}, {}, {})


def converted(model: Model, rank: Rank, emission: Emission) -> Model:
    """The model with its 3x3 convs in depthwise-pointwise form, from the weights alone."""
    form, copy = PLANNABLE["depthwise-pointwise"], replace(model, program=model.program.clone())
    names = Names(copy.program)
    for conv in find_convs(copy):
        spec = conv.known_site.spec
        if spec.kernel_shape == (3, 3):
            bias = conv.bias()
            factors = form.factor(conv.kernel().astype(np.float64), spec, rank)
            chain = Factors(factors.weights, None if bias is None else bias.astype(np.float64))
            replace_conv(conv, form.arrange(chain, spec, emission), names)
    shapes, dtypes = infer(copy.program, copy.inputs)
    return replace(copy, shapes=shapes, dtypes=dtypes)


def means(model: Model, *values: str) -> list[Array]:
    walk = Walk(model, FEEDS, OPTIONS)
    return [np.concatenate(list(walk.reach(value))).mean(axis=(0, 2, 3), dtype=np.float64) for value in values]


@pytest.mark.parametrize(("rank", "emission"), [((1,), "sum"), ((2,), "sum"), ((3,), "sum"), ((2,), "concat")])
def test_every_mean_is_the_originals_again(tmp_path: Path, rank: Rank, emission: Emission) -> None:
    original = opened(tmp_path)
    changed = converted(original, rank, emission)
    shifted = shift_biases(changed, mean_shifts(original, changed, FEEDS, OPTIONS, Store()))
    ends = ("a", "c", "y")
    for before, after, wanted in zip(means(changed, *ends), means(shifted, *ends), means(original, *ends), strict=True):
        assert np.abs(before - wanted).max() > 1e-3
        assert np.abs(after - wanted).max() < 1e-6


def test_what_has_not_changed_is_left_alone(tmp_path: Path) -> None:
    original = opened(tmp_path)
    assert mean_shifts(original, original, FEEDS, OPTIONS, Store()) == {}
    behind = replace(original, program=original.program.clone())
    conv = next(conv for conv in find_convs(behind) if conv.output_name == "y")
    conv.node.outputs[0].name = "elsewhere"
    assert mean_shifts(original, behind, FEEDS, OPTIONS, Store()) == {}


def test_responses_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    original = opened(tmp_path)
    broken = opened(tmp_path, weights=WEIGHTS | {"v": WEIGHTS["v"] * np.float32(np.inf)})
    with pytest.raises(ModelError, match="answers NaN or infinity"):
        mean_shifts(original, broken, FEEDS, OPTIONS, Store())

"""What a conv's response goes into: its own output or a sum, and what the activation behind that lets through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from convprof.execution import load, settle
from convprof.graph import Target, find_convs, target_of

WEIGHTS = {
    "w": np.ones((4, 4, 3, 3), np.float32),
    "zero": np.float32(0),
    "six": np.float32(6),
    "bias": np.ones((1, 4, 1, 1), np.float32),
    "slope": np.ones((4, 1, 1), np.float32),
    "picture": np.ones((8, 8), np.float32),
}


def target(folder: Path, body: str, *, opset: int = 17, pending: tuple[str, ...] = ("a",)) -> Target:
    """The target of the conv that makes `a`, all convs in `pending` being still to be replaced."""
    text = (
        f'<ir_version: 8, opset_import: ["": {opset}]>\ng (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) {{ {body} }}'
    )
    proto = onnx.parser.parse_model(text.replace("C(", "Conv <pads = [1, 1, 1, 1]> ("))
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in WEIGHTS.items())
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    convs = {conv.output_name: conv for conv in find_convs(settle(load(path), {}, {}, {}))}
    return target_of(convs["a"], [convs[name] for name in pending])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a = C(x, w) y = Relu(a)", Target("a", None, "y")),
        ("a = C(x, w) y = Clip(a, zero, six)", Target("a", None, "y")),
        ("a = C(x, w) y = LeakyRelu(a)", Target("a", None, "y")),
        ("a = C(x, w) y = PRelu(a, slope)", Target("a", None, "y")),
        ("a = C(x, w) s = Sigmoid(a) y = Mul(a, s)", Target("a", None, "y")),
        ("a = C(x, w) b = Mul(a, six) c = Add(b, bias) y = Relu(c)", Target("a", None, "y")),
        ("a = C(x, w) r = Relu(a) y = C(r, w)", Target("a", None, "r")),
        ("a = C(x, w) r = Relu(a) b = C(r, w) y = Add(r, b)", Target("a", None, "r")),
        ("a = C(x, w) r = Relu(a) s = Mul(a, r) t = Tanh(s) y = C(t, w)", Target("a", None, "t")),
        ("a = C(x, w) r = Relu(a) y = Add(r, x)", Target("a", None, "r")),
        ("a = C(x, w) r = Relu(a) b = C(a, w) y = Add(r, b)", Target("a", None, None)),
        ("a = C(x, w) y = Softmax(a)", Target("a", None, None)),
        ("a = C(x, w) y = Mul(a, x)", Target("a", None, None)),
        ("a = C(x, w) y = Mul(a, picture)", Target("a", None, None)),
        ("a = C(x, w) y = Identity(x)", Target("a", None, None)),
        ("a = C(x, w) s = Add(a, x) y = Relu(s)", Target("s", "x", "y")),
        ("a = C(x, w) s = Add(x, a) y = LeakyRelu(s)", Target("s", "x", "y")),
        ("a = C(x, w) m = GlobalAveragePool(x) s = Add(a, m) y = Relu(s)", Target("a", None, None)),
    ],
)
def test_targets(tmp_path: Path, body: str, expected: Target) -> None:
    assert target(tmp_path, body) == expected


def test_a_path_that_still_has_a_conv_to_replace_is_no_fixed_operand(tmp_path: Path) -> None:
    body = "a = C(x, w) b = C(x, w) s = Add(a, b) y = Relu(s)"
    assert target(tmp_path, body, pending=("a", "b")) == Target("a", None, None)
    assert target(tmp_path, body, pending=("a",)) == Target("s", "b", "y")


def test_bounds_that_vary_are_no_activation(tmp_path: Path) -> None:
    body = "a = C(x, w) m = ReduceMax <keepdims = 0> (x) y = Clip(a, zero, m)"
    assert target(tmp_path, body) == Target("a", None, None)


def test_bounds_were_attributes_once(tmp_path: Path) -> None:
    body = "a = C(x, w) y = Clip <min = 0.0, max = 6.0> (a)"
    assert target(tmp_path, body, opset=9) == Target("a", None, "y")


def test_what_is_known_is_not_looked_behind(tmp_path: Path) -> None:
    text = '<ir_version: 8, opset_import: ["": 17]>\ng (float[1, 4, 8, 8] x) => (float[1, 4, 8, 8] y) { '
    text += "b = C(x, w) r = Relu(b) a = C(r, w) y = Add(a, r) }"
    proto = onnx.parser.parse_model(text.replace("C(", "Conv <pads = [1, 1, 1, 1]> ("))
    proto.graph.initializer.append(numpy_helper.from_array(np.asarray(WEIGHTS["w"]), "w"))
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    b, a = find_convs(settle(load(tmp_path / "model.onnx"), {}, {}, {}))
    assert target_of(a, [a, b]) == Target("a", None, None)
    assert target_of(a, [a, b], known=["r"]) == Target("y", "r", None)

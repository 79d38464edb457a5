"""Networks cut into blocks: where, whatever their graph looks like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import convprof
from convprof import torch as modules
from convprof.torch import Module
from convprof.torch.composing import composed
from convprof.tuning.blocks import block_ends

PADDED = "Conv <pads = [1, 1, 1, 1]>"
RESIDUAL = f"""g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) {{
    a = {PADDED} (x, w43)  b = Relu(a)
    [c2] c = {PADDED} (b, w44)  d = Relu(c)  [c3] e = {PADDED} (d, w44)  f = Add(e, b)  r = Relu(f)
    k = {PADDED} (r, w54)  s = {PADDED} (r, w64)  l = Relu(k)  m = {PADDED} (l, w65)  n = Add(m, s)
    y = {PADDED} (n, w36)
}}"""
SKIPPING = f"""g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) {{
    a = {PADDED} (x, w43)  b = Relu(a)  c = {PADDED} (b, w44)  d = Relu(c)  e = {PADDED} (d, w34)  y = Sub(x, e)
}}"""
NESTED = f"""g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) {{
    a = {PADDED} (x, w43)  b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)
    c = {PADDED} (b, w44)  d = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (c)
    s1 = Shape(c)  s3 = Shape(a)  e = {PADDED} (d, w44)  f = Resize(e, , , s1)  h = Add(f, c)
    i = {PADDED} (h, w44)  j = Resize(i, , , s3)  k = Concat <axis = 1> (j, a)
    y = {PADDED} (k, w38)
}}"""
HEADS = f"""g (float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] early, float[N, 3, 8, 8] y) {{
    a = {PADDED} (x, w43)  early = Relu(a)  t = Transpose <perm = [1, 0, 2, 3]> (w44)
    c = {PADDED} (early, t)  d = Relu(c)  y = {PADDED} (d, w34)
}}"""
FLAT = "g (float[N, 3] x) => (float[N, 3] y) { a = Relu(x)  y = Mul(a, a) }"


def network(folder: Path, text: str) -> Path:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
    random = np.random.default_rng(0)
    for outputs, inputs in ("43", "44", "54", "64", "65", "36", "34", "38"):
        if (name := f"w{outputs}{inputs}") in text:
            values = random.standard_normal((int(outputs), int(inputs), 3, 3)).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(values, name))
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def ends(student: Module, teacher: Module) -> tuple[str, ...]:
    known = {name for step in teacher.network.steps for name in step.outputs}
    return block_ends(composed(student), set(student.names.values()), known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(RESIDUAL, "brn"), (SKIPPING, "bd"), (NESTED, "k"), (HEADS, ("early", "d")), (FLAT, "")],
    ids=["residual blocks", "the input may cross", "nested skips", "early outputs, weights computed", "no weights"],
)
def test_where_the_fewest_values_cross(tmp_path: Path, text: str, expected: str | tuple[str, ...]) -> None:
    module = modules.load(network(tmp_path, text))
    assert ends(module, module) == tuple(expected)


def test_large_blocks_are_cut_where_more_cross(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = modules.load(network(tmp_path, NESTED))
    monkeypatch.setattr("convprof.tuning.settings.LARGEST_BLOCK", 2)
    assert ends(module, module) == ("a", "b", "h", "k")


def test_values_within_a_chain_are_not_the_originals(tmp_path: Path) -> None:
    teacher, student = network(tmp_path, RESIDUAL), tmp_path / "student.onnx"
    convprof.rewrite(teacher, student, form="depthwise-pointwise", rank=(2,), only=["c2", "c3"], init="weights")
    assert ends(modules.load(student), modules.load(teacher)) == ("b", "r", "n")


def test_what_the_original_does_not_make_is_no_end(tmp_path: Path) -> None:
    module = modules.load(network(tmp_path, SKIPPING))
    assert block_ends(module.network, set(module.names.values()), {"d"}) == ("d",)

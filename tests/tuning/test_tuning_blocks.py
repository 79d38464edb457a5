"""Networks cut into blocks: where, with which weights, and that the blocks one after another are the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import convprof
from convprof import torch as modules
from convprof.torch import Module
from convprof.torch.composing import composed
from convprof.tuning.blocks import Block, cut

RESIDUAL = """g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w1)  b = Relu(a)
    [c2] c = Conv <pads = [1, 1, 1, 1]> (b, w2)  d = Relu(c)
    [c3] e = Conv <pads = [1, 1, 1, 1]> (d, w2b)  f = Add(e, b)  r = Relu(f)
    k = Conv(r, w3)  s = Conv(r, w3b)  l = Relu(k)  m = Conv(l, w4)  n = Add(m, s)
    y = Conv <pads = [1, 1, 1, 1]> (n, w5)
}"""
SKIPPING = """g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w1)  b = Relu(a)
    c = Conv <pads = [1, 1, 1, 1]> (b, w2)  d = Relu(c)
    e = Conv <pads = [1, 1, 1, 1]> (d, w5)  y = Sub(x, e)
}"""
NESTED = """g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w1)  b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)
    c = Conv <pads = [1, 1, 1, 1]> (b, w2)  d = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (c)
    e = Conv <pads = [1, 1, 1, 1]> (d, w2b)  s1 = Shape <start = 2> (c)  two = Constant <value = int64[2] {0, 1}> ()
    head = Shape <end = 2> (e)  s2 = Concat <axis = 0> (head, s1)  f = Resize(e, , , s2)  h = Add(f, c)
    i = Conv <pads = [1, 1, 1, 1]> (h, w2c)  s3 = Shape(a)  j = Resize(i, , , s3)  k = Concat <axis = 1> (j, a)
    y = Conv(k, w6)
}"""
HEADS = """g (float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] early, float[N, 3, 8, 8] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w1)  early = Relu(a)  t = Transpose <perm = [1, 0, 2, 3]> (w2)
    c = Conv <pads = [1, 1, 1, 1]> (early, t)  d = Relu(c)  y = Conv <pads = [1, 1, 1, 1]> (d, w5)
}"""
SHARED = """g (float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w1)  b = Relu(a)  c = Conv <pads = [1, 1, 1, 1]> (b, w2)  d = Relu(c)
    e = Conv <pads = [1, 1, 1, 1]> (d, w2)  f = Relu(e)  y = Conv <pads = [1, 1, 1, 1]> (f, w2b)
}"""
SHAPES = {
    **{"w1": (4, 3, 3, 3), "w2": (4, 4, 3, 3), "w2b": (4, 4, 3, 3), "w2c": (4, 4, 3, 3), "w5": (3, 4, 3, 3)},
    **{"w3": (5, 4, 1, 1), "w3b": (6, 4, 1, 1), "w4": (6, 5, 1, 1), "w6": (3, 8, 1, 1)},
}


def network(folder: Path, text: str) -> Path:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
    random = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        if f"{name})" in text:
            values = random.standard_normal(shape).astype(np.float32) / 3
            model.graph.initializer.append(numpy_helper.from_array(values, name))
    if "w5" in text and "n, w5" in text:
        last = next(each for each in model.graph.initializer if each.name == "w5")
        last.CopyFrom(numpy_helper.from_array(random.standard_normal((3, 6, 3, 3)).astype(np.float32), "w5"))
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def blocks(student: Module, teacher: Module) -> tuple[Block, ...]:
    return cut(composed(student), student.network.outputs, set(student.names.values()), teacher.network)


def outputs(folder: Path, text: str) -> list[tuple[str, ...]]:
    module = modules.load(network(folder, text))
    return [block.outputs for block in blocks(module, module)]


@pytest.mark.parametrize("text", [RESIDUAL, SKIPPING, NESTED, HEADS, SHARED])
def test_one_after_another_they_are_the_network(tmp_path: Path, text: str) -> None:
    module = modules.load(network(tmp_path, text))
    made = blocks(module, module)
    feeds = {"x": torch.randn(2, 3, 8, 8)}
    whole = module.run(feeds, module.network.outputs)
    values: dict[str, torch.Tensor] = {}
    for block in made:
        values |= module.run({**feeds, **module.run(feeds, block.inputs)}, block.outputs)
    assert len(made) > 1
    assert all(torch.allclose(values[name], each) for name, each in whole.items())
    trained = [name for block in made for name in block.parameters]
    assert sorted(trained) == sorted(set(module.names.values()))


def test_a_residual_block_is_one_and_ends_behind_its_activation(tmp_path: Path) -> None:
    assert outputs(tmp_path, RESIDUAL) == [("b",), ("r",), ("n",), ("y",)]


def test_the_input_may_cross_anywhere(tmp_path: Path) -> None:
    assert outputs(tmp_path, SKIPPING) == [("b",), ("d",), ("y",)]


def test_what_comes_out_early_is_compared_where_it_is_made(tmp_path: Path) -> None:
    assert outputs(tmp_path, HEADS) == [("early",), ("d",), ("y",)]


def test_large_blocks_are_cut_where_more_cross(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outputs(tmp_path, NESTED) == [("k",), ("y",)]
    monkeypatch.setattr("convprof.tuning.settings.LARGEST_BLOCK", 2)
    assert outputs(tmp_path, NESTED) == [("a", "b"), ("h",), ("k",), ("y",)]


def test_the_values_within_a_chain_are_not_the_originals(tmp_path: Path) -> None:
    teacher = network(tmp_path, RESIDUAL)
    student = tmp_path / "student.onnx"
    convprof.rewrite(teacher, student, form="depthwise-pointwise", rank=(2,), only=["c2", "c3"], init="weights")
    made = blocks(modules.load(student), modules.load(teacher))
    assert [block.outputs for block in made] == [("b",), ("r",), ("n",), ("y",)]
    assert len(made[1].parameters) > 4

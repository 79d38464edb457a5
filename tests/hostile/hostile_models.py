"""Models that lie, contradict themselves or want to do harm: each a function from a folder to the file in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

INPUT, OUTPUT = "float[1, 3, 12, 12] x", "float[a, b, c, d] y"


def noise(*shape: int) -> NDArray[Any]:
    return (np.random.default_rng(0).standard_normal(shape) / 3).astype(np.float32)


KERNEL = noise(8, 3, 3, 3)


def build(body: str, inputs: str = INPUT, output: str = OUTPUT, **weights: NDArray[Any]) -> onnx.ModelProto:
    header = '<ir_version: 8, opset_import: ["": 17, "local": 1]>'
    model = onnx.parser.parse_model(f"{header}\ng ({inputs}) => ({output}) {{ {body} }}")
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return model


def conv(
    attributes: str = "", kernel: NDArray[Any] = KERNEL, inputs: str = INPUT, output: str = OUTPUT
) -> onnx.ModelProto:
    return build(f"y = Conv <{attributes}> (x, w)" if attributes else "y = Conv(x, w)", inputs, output, w=kernel)


def renamed(name: str) -> onnx.ModelProto:
    """A good model all of whose names are `name` with a letter."""
    model = build("t = Conv(x, w)  y = Relu(t)", w=KERNEL)
    names = {old: name + old for old in ("x", "w", "t", "y")}
    model.graph.input[0].name, model.graph.output[0].name = names["x"], names["y"]
    model.graph.initializer[0].name = names["w"]
    for node in model.graph.node:
        node.name = name + node.op_type
        node.input[:] = [names[old] for old in node.input]
        node.output[:] = [names[old] for old in node.output]
    model.producer_name = name
    return model


def external(location: str) -> onnx.ModelProto:
    model = build("y = Conv(x, w)")
    tensor = TensorProto(name="w", data_type=1, dims=KERNEL.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", str(KERNEL.nbytes))):
        tensor.external_data.add(key=key, value=value)
    model.graph.initializer.append(tensor)
    return model


def lying_tensor(dims: list[int], size: int) -> onnx.ModelProto:
    model = build("y = Conv(x, w)")
    raw = b"\0" * size
    model.graph.initializer.append(TensorProto(name="w", data_type=1, dims=dims, raw_data=raw))
    return model


def nested(depth: int) -> onnx.ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    for _ in range(depth):
        output = [helper.make_tensor_value_info("y", 1, None)]
        other = helper.make_node("Relu", ["x"], ["y"])
        inner = {"then_branch": helper.make_graph([node], "g", [], output)}
        node = helper.make_node("If", ["c"], ["y"])
        inner["else_branch"] = helper.make_graph([other], "g", [], output)
        node.attribute.extend(helper.make_attribute(name, graph) for name, graph in inner.items())
    model = build("y = Relu(x)", inputs=f"{INPUT}, bool c", w=KERNEL)
    del model.graph.node[:]
    model.graph.node.append(node)
    return model


def duplicate() -> onnx.ModelProto:
    model = build("y = Conv(x, w)", w=KERNEL)
    model.graph.initializer.append(numpy_helper.from_array(KERNEL * 2, "w"))
    return model


def lying_intermediate() -> onnx.ModelProto:
    model = build("t = Conv(x, w)  y = Relu(t)", output="float[7, 7] y", w=KERNEL)
    model.graph.value_info.append(helper.make_tensor_value_info("t", 1, [1, 999999, 999999]))
    return model


def recursive_function() -> onnx.ModelProto:
    text = """<ir_version: 8, opset_import: ["": 17, "local": 1]>
    g (float[1, 3, 12, 12] x) => (float[a, b, c, d] y) { y = local.f(x) }
    <domain: "local", opset_import: ["": 17, "local": 1]> f (i) => (o) { o = local.f(i) }"""
    return onnx.parser.parse_model(text)


NAMES = {
    "markup": "<script>alert(1)</script>&amp;",
    "rich-markup": "[bold red]x[/bold red][/]",
    "ansi": "\x1b[31m\x1b]0;title\x07",
    "newlines": "a\nb\r\nconvprof: error: forged\n",
    "long": "n" * 70_000,
    "path": "../../../etc/",
    "bidi": "\u202e\u200b",
    "quotes": "\"'`$(id)",
    "csv": "=cmd|' /C calc'!A0,",
    "nul": "a\0b",
    "mark": "/convprof/0/depthwise",
    "emoji": "🦆" * 20,
}

MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    **{f"name-{key}": partial(renamed, name) for key, name in NAMES.items()},
    "no-name": lambda: build("y = Conv(x, w)", w=KERNEL),
    "absolute-data": lambda: external("/etc/passwd"),
    "climbing-data": lambda: external("../secret.bin"),
    "missing-data": lambda: external("lost.bin"),
    "empty-location": lambda: external(""),
    "folder-for-data": lambda: external("."),
    "lying-intermediate": lying_intermediate,
    "lying-channels": lambda: conv(kernel=noise(8, 5, 3, 3)),
    "lying-kernel": lambda: conv("kernel_shape = [7, 7]"),
    "lying-tensor": lambda: lying_tensor([8, 3, 3, 3], 10),
    "lying-large-tensor": lambda: lying_tensor([1 << 20, 3, 3, 3], 9000),
    "negative-dims": lambda: lying_tensor([-8, 3, 3, 3], 9000),
    "overflowing-dims": lambda: lying_tensor([1 << 40, 1 << 40, 3, 3], 9000),
    "absurd-weight": lambda: build(
        "s = Constant <value_ints = [1099511627776, 3, 3, 3]> ()  w = ConstantOfShape(s)  y = Conv(x, w)"
    ),
    "absurd-activation": lambda: build(
        "s = Constant <value_ints = [1, 3, 1048576, 1048576]> ()  t = ConstantOfShape(s)  u = Add(t, t)"
        "  z = Conv(u, w)  y = Conv(x, w)",
        w=KERNEL,
    ),
    "absurd-unknown": lambda: build(
        "i = Shape(x)  k = Constant <value_ints = [1, 1, 100000, 100000]> ()  s = Mul(i, k)  n = NonZero(s)"
        "  t = Expand(x, s)  z = Conv(t, w)  r = ReduceMean(z)  y = Add(r, x)",
        w=KERNEL,
    ),
    "absurd-input": lambda: conv(inputs="float[1, 3, 1000000, 1000000] x"),
    "absurd-pads": lambda: conv("pads = [1000000000, 1000000000, 1000000000, 1000000000]"),
    "negative-pads": lambda: conv("pads = [-5, -5, -5, -5]"),
    "short-pads": lambda: conv("pads = [1]"),
    "huge-numbers": lambda: conv("strides = [9223372036854775807, 1], dilations = [9223372036854775807, 1]"),
    "zero-stride": lambda: conv("strides = [0, 0]"),
    "kernel-larger-than-map": lambda: conv(kernel=noise(8, 3, 15, 15)),
    "zero-size": lambda: conv(inputs="float[0, 3, 12, 12] x"),
    "zero-channels": lambda: conv(kernel=np.zeros((0, 3, 3, 3), np.float32)),
    "empty-kernel": lambda: conv(kernel=np.zeros((8, 3, 0, 3), np.float32)),
    "scalar-kernel": lambda: conv(kernel=np.array(3, np.float32)),
    "cycle": lambda: build("t = Add(x, u)  u = Conv(t, w)  y = Relu(u)", w=KERNEL),
    "self-loop": lambda: build("y = Add(x, y)"),
    "duplicate-values": lambda: build("t = Relu(x)  t = Neg(x)  y = Conv(t, w)", w=KERNEL),
    "duplicate-weights": duplicate,
    "output-that-nothing-makes": lambda: build("t = Relu(x)"),
    "nesting": lambda: nested(12),
    "deep-nesting": lambda: nested(30),
    "nan": lambda: conv(kernel=np.full((8, 3, 3, 3), np.nan, np.float32)),
    "infinity": lambda: conv(kernel=np.full((8, 3, 3, 3), np.inf, np.float32)),
    "zero-weights": lambda: conv(kernel=np.zeros((8, 3, 3, 3), np.float32)),
    "denormals": lambda: conv(kernel=KERNEL * np.float32(1e-42)),
    "huge-weights": lambda: conv(kernel=KERNEL * np.float32(1e38)),
    "group-does-not-divide": lambda: conv("group = 2"),
    "group-zero": lambda: conv("group = 0"),
    "group-of-wrong-type": lambda: conv("group = 1.5"),
    "unknown-operator": lambda: build("t = Nonsense(x)  y = Conv(t, w)", w=KERNEL),
    "unknown-domain": lambda: build("t = local.g(x)  y = Conv(t, w)", w=KERNEL),
    "recursive-function": recursive_function,
    "no-inputs": lambda: build("x = Constant <value = float[1] {1.0}> ()  y = Relu(x)", inputs=""),
    "missing-input": lambda: build("y = Conv(x)"),
    "no-x": lambda: build("y = Conv(, w)", w=KERNEL),
}


def store(name: str, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(MODELS[name]().SerializeToString())
    return path

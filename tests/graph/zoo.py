"""Well-known networks as ONNX graphs without a file full of weights: for counting only.

Weights are ConstantOfShape nodes, or external data in a file that is one large hole. Layouts are torchvision's, with
BatchNormalization unfolded; MobileNet-v1 is that of Howard et al. 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HOLE = "weights.bin"


class Net:
    """Puts layers one after another; every method returns the name of what it made."""

    def __init__(self, storage: str) -> None:
        self.storage = storage
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[TensorProto] = []
        self.size = 0
        self.count = 0

    def weight(self, *shape: int) -> str:
        self.count += 1
        name = f"w{self.count}"
        if self.storage == "nodes":
            sizes = numpy_helper.from_array(np.array(shape, np.int64), f"{name}.shape")
            self.nodes.append(helper.make_node("Constant", [], [f"{name}.shape"], value=sizes))
            self.nodes.append(helper.make_node("ConstantOfShape", [f"{name}.shape"], [name]))
            return name
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        length = 4 * prod(shape)
        for key, value in (("location", HOLE), ("offset", str(self.size)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        self.size += length
        self.tensors.append(tensor)
        return name

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        self.count += 1
        self.nodes.append(helper.make_node(op_type, inputs, [f"v{self.count}"], f"n{self.count}", **attributes))
        return f"v{self.count}"

    def conv(self, x: str, m: int, n: int, k: int, *, stride: int = 1, group: int = 1, bias: bool = False) -> str:
        inputs = [x, self.weight(n, m // group, k, k), *([self.weight(n)] if bias else [])]
        pads = [k // 2] * 4
        return self.node("Conv", *inputs, kernel_shape=[k, k], strides=[stride] * 2, pads=pads, group=group)

    def norm(self, x: str, n: int) -> str:
        return self.node("BatchNormalization", x, *(self.weight(n) for _ in range(4)))

    def block(self, x: str, m: int, n: int, k: int, *, stride: int = 1, group: int = 1, relu: bool = True) -> str:
        normal = self.norm(self.conv(x, m, n, k, stride=stride, group=group), n)
        return self.node("Relu", normal) if relu else normal

    def linear(self, x: str, m: int, n: int) -> str:
        return self.node("Gemm", x, self.weight(n, m), self.weight(n), transB=1)

    def pooled(self, x: str) -> str:
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def save(self, output: str, folder: Path) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "zoo",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 224, 224])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.tensors,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        with (folder / HOLE).open("wb") as file:
            file.truncate(self.size)
        return path


def vgg(net: Net, repeats: Sequence[int]) -> str:
    x, m = "x", 3
    for n, repeat in zip((64, 128, 256, 512, 512), repeats, strict=True):
        for _ in range(repeat):
            x, m = net.node("Relu", net.conv(x, m, n, 3, bias=True)), n
        x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Relu", net.linear(net.node("Flatten", x), 512 * 7 * 7, 4096))
    return net.linear(net.node("Relu", net.linear(x, 4096, 4096)), 4096, 1000)


def basic(net: Net, x: str, m: int, n: int, stride: int) -> str:
    y = net.block(net.block(x, m, n, 3, stride=stride), n, n, 3, relu=False)
    short = net.block(x, m, n, 1, stride=stride, relu=False) if stride > 1 or m != n else x
    return net.node("Relu", net.node("Add", y, short))


def bottleneck(net: Net, x: str, m: int, n: int, stride: int) -> str:
    y = net.block(net.block(x, m, n // 4, 1), n // 4, n // 4, 3, stride=stride)
    y = net.block(y, n // 4, n, 1, relu=False)
    short = net.block(x, m, n, 1, stride=stride, relu=False) if stride > 1 or m != n else x
    return net.node("Relu", net.node("Add", y, short))


def resnet(net: Net, block: Callable[[Net, str, int, int, int], str], repeats: Sequence[int], first: int) -> str:
    x = net.block("x", 3, 64, 7, stride=2)
    x, m = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 64
    for stage, repeat in enumerate(repeats):
        for number in range(repeat):
            n = first << stage
            x, m = block(net, x, m, n, 2 if stage and not number else 1), n
    return net.linear(net.pooled(x), m, 1000)


def mobilenet_v1(net: Net) -> str:
    x, m = net.block("x", 3, 32, 3, stride=2), 32
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for n, stride in widths:
        x, m = net.block(net.block(x, m, m, 3, stride=stride, group=m), m, n, 1), n
    return net.linear(net.pooled(x), m, 1000)


def mobilenet_v2(net: Net) -> str:
    x, m = net.block("x", 3, 32, 3, stride=2), 32
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expand, n, repeat, first in rows:
        for number in range(repeat):
            stride, wide = first if number == 0 else 1, m * expand
            y = x if expand == 1 else net.block(x, m, wide, 1)
            y = net.block(net.block(y, wide, wide, 3, stride=stride, group=wide), wide, n, 1, relu=False)
            x, m = net.node("Add", x, y) if stride == 1 and m == n else y, n
    return net.linear(net.pooled(net.block(x, m, 1280, 1)), 1280, 1000)


NETWORKS: dict[str, Callable[[Net], str]] = {
    "vgg16": lambda net: vgg(net, (2, 2, 3, 3, 3)),
    "vgg19": lambda net: vgg(net, (2, 2, 4, 4, 4)),
    "resnet18": lambda net: resnet(net, basic, (2, 2, 2, 2), 64),
    "resnet34": lambda net: resnet(net, basic, (3, 4, 6, 3), 64),
    "resnet50": lambda net: resnet(net, bottleneck, (3, 4, 6, 3), 256),
    "resnet101": lambda net: resnet(net, bottleneck, (3, 4, 23, 3), 256),
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
}


def network(name: str, folder: Path, storage: str) -> Path:
    """Write the network called `name` to `folder`; its weights are all zero."""
    net = Net(storage)
    return net.save(NETWORKS[name](net), folder)

"""Writes VGG16 with random weights as one ONNX file of 553 MB; used by analyze_large.py.

python benchmarks/large_model.py FILE SEED
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

_LAYOUT = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
_DENSE = ((25088, 4096), (4096, 4096), (4096, 1000))


def vgg16(seed: int) -> onnx.ModelProto:
    """The network at batch 1 and 224x224, weights as raw_data; a 0 in the layout is a pool."""
    weights: list[TensorProto] = []
    nodes = list(_nodes(weights, np.random.default_rng(seed)))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 224, 224))
    y = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, (1, 1000))
    graph = helper.make_graph(nodes, "vgg16", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _nodes(weights: list[TensorProto], draws: np.random.Generator) -> Iterator[NodeProto]:
    channels, last = 3, "x"
    for number, width in enumerate(_LAYOUT):
        if width == 0:
            yield helper.make_node("MaxPool", [last], [f"pool{number}"], kernel_shape=[2, 2], strides=[2, 2])
            last = f"pool{number}"
            continue
        inputs = [last, *_parameters(weights, draws, f"conv{number}", (width, channels, 3, 3))]
        yield helper.make_node("Conv", inputs, [f"conv{number}"], f"conv{number}", pads=[1, 1, 1, 1])
        yield helper.make_node("Relu", [f"conv{number}"], [f"relu{number}"])
        channels, last = width, f"relu{number}"
    yield helper.make_node("Flatten", [last], ["flat"])
    last = "flat"
    for number, (rows, columns) in enumerate(_DENSE):
        inputs = [last, *_parameters(weights, draws, f"fc{number}", (columns, rows))]
        yield helper.make_node("Gemm", inputs, [f"fc{number}"], f"fc{number}", transB=1)
        last = f"fc{number}"
        if number + 1 < len(_DENSE):
            yield helper.make_node("Relu", [last], [f"act{number}"])
            last = f"act{number}"


def _parameters(
    weights: list[TensorProto], draws: np.random.Generator, name: str, shape: tuple[int, ...]
) -> tuple[str, str]:
    for suffix, sizes in (("weight", shape), ("bias", shape[:1])):
        values = draws.standard_normal(sizes, np.float32) * np.float32(0.01)
        weights.append(helper.make_tensor(f"{name}.{suffix}", TensorProto.FLOAT, sizes, values.tobytes(), raw=True))
    return f"{name}.weight", f"{name}.bias"


if __name__ == "__main__":
    onnx.save(vgg16(int(sys.argv[2])), sys.argv[1])

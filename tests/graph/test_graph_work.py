"""MACs and parameters are exact, each tensor counts once, and what cannot be counted is named."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import Array, build, convs, noise, opened
from zoo import network

from convprof.graph import Work, conv_weights, conv_work, measure_work


def work(text: str, weights: dict[str, Array], folder: Path, opset: int = 17) -> Work:
    return measure_work(opened(build(f"g {text}", weights, opset=opset), folder))


def uncounted(found: Work) -> list[tuple[str, str, int]]:
    return [(op.op_type, op.domain, op.count) for op in found.uncounted]


# method.md, section 7: batch 1 at 224x224, BatchNormalization unfolded
SECTION_7 = {
    "vgg16": (15_470_264_320, 138_357_544),
    "vgg19": (19_632_062_464, 143_667_240),
    "resnet18": (1_814_073_344, 11_689_512),
    "resnet34": (3_663_761_408, 21_797_672),
    "resnet50": (4_089_184_256, 25_557_032),
    "resnet101": (7_801_405_440, 44_549_160),
    "mobilenet_v1": (568_740_352, 4_231_976),
    "mobilenet_v2": (300_774_272, 3_504_872),
}


@pytest.mark.parametrize(
    ("name", "storage"), [*((name, "hole") for name in SECTION_7), ("resnet18", "nodes"), ("mobilenet_v2", "nodes")]
)
def test_known_networks(tmp_path: Path, name: str, storage: str) -> None:
    macs, parameters = SECTION_7[name]
    found = measure_work(opened(network(name, tmp_path, storage), tmp_path))
    assert found == Work(macs, f"{macs}*N", parameters, ())


@pytest.mark.parametrize(
    ("text", "weight", "macs"),
    [
        ("Conv(x, w)", (6, 4, 3, 3), 6 * 6 * 6 * 36),
        ("Conv <dilations = [2, 2]> (x, w)", (6, 4, 3, 3), 4 * 4 * 6 * 36),
        ("Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, w)", (6, 4, 3, 3), 4 * 4 * 6 * 36),
        ("Conv <group = 2> (x, w)", (6, 2, 3, 3), 6 * 6 * 6 * 18),
        ("Conv <group = 4> (x, w)", (8, 1, 3, 3), 6 * 6 * 8 * 9),
        ("Conv(x, w)", (6, 4, 1, 1), 8 * 8 * 6 * 4),
        ("ConvTranspose(x, w)", (4, 6, 3, 3), 8 * 8 * 4 * 6 * 9),
        ("ConvTranspose <group = 2, strides = [2, 2]> (x, w)", (4, 3, 3, 3), 8 * 8 * 4 * 3 * 9),
    ],
)
def test_convolutions(tmp_path: Path, text: str, weight: tuple[int, ...], macs: int) -> None:
    net = f"g (float[2, 4, 8, 8] x) => (float[a, b, c, d] y) {{ y = {text} }}"
    model = opened(build(net, {"w": noise(*weight)}), tmp_path)
    found = measure_work(model)
    assert (found.macs, found.parameters, found.uncounted) == (2 * macs, prod(weight), ())
    (conv,) = convs(model).values()
    assert (conv_work(conv), conv_weights(conv)) == (2 * macs, prod(weight))


def test_convolutions_of_one_and_three_axes(tmp_path: Path) -> None:
    line = work("(float[1, 4, 8] x) => (float[a, b, c] y) { y = Conv(x, w) }", {"w": noise(6, 4, 3)}, tmp_path)
    assert (line.macs, line.parameters) == (6 * 6 * 12, 72)
    text = "(float[1, 4, 8, 8, 8] x) => (float[a, b, c, d, e] y) { y = Conv(x, w) }"
    assert work(text, {"w": noise(6, 4, 3, 3, 3)}, tmp_path).macs == 6**3 * 6 * 4 * 27


@pytest.mark.parametrize(
    ("text", "weights", "macs"),
    [
        ("(float[5, 3] x) => (float[a, b] y) { y = Gemm(x, w, b) }", {"w": (3, 7), "b": (7,)}, 5 * 3 * 7),
        ("(float[3, 5] x) => (float[a, b] y) { y = Gemm <transA = 1, transB = 1> (x, w) }", {"w": (7, 3)}, 105),
        ("(float[5, 3] x) => (float[a, b] y) { y = MatMul(x, w) }", {"w": (3, 7)}, 5 * 3 * 7),
        ("(float[2, 4, 5, 3] x) => (float[a, b, c, d] y) { y = MatMul(x, w) }", {"w": (3, 7)}, 8 * 5 * 3 * 7),
        ("(float[2, 4, 5, 3] x) => (float[a, b, c] y) { y = MatMul(x, w) }", {"w": (3,)}, 8 * 5 * 3),
        ("(float[3] x) => (float y) { y = MatMul(x, w) }", {"w": (3,)}, 3),
    ],
)
def test_matrix_products(tmp_path: Path, text: str, weights: dict[str, tuple[int, ...]], macs: int) -> None:
    found = work(text, {name: noise(*shape) for name, shape in weights.items()}, tmp_path)
    assert (found.macs, found.uncounted) == (macs, ())
    assert found.parameters == sum(prod(shape) for shape in weights.values())


def test_a_product_of_two_activations_has_work_but_no_parameters(tmp_path: Path) -> None:
    text = "(float[2, 5, 3] x) => (float[a, b, c] y) { t = Transpose <perm = [0, 2, 1]> (x)  y = MatMul(x, t) }"
    assert work(text, {}, tmp_path) == Work(2 * 5 * 3 * 5, str(2 * 5 * 3 * 5), 0, ())


def test_running_statistics_are_no_parameters(tmp_path: Path) -> None:
    text = "(float[1, 8, 4, 4] x) => (float[a, b, c, d] y) { y = BatchNormalization(x, g, b, m, v) }"
    found = work(text, {name: np.ones(8, np.float32) for name in "gbmv"}, tmp_path)
    assert (found.macs, found.parameters) == (0, 16)


def test_shared_weights_count_once_and_their_work_twice(tmp_path: Path) -> None:
    text = """(float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {
        z = Conv <pads = [1, 1, 1, 1]> (x, w, b)  i = Identity(w)  y = Conv <pads = [1, 1, 1, 1]> (z, i, b)
    }"""
    found = work(text, {"w": noise(4, 4, 3, 3), "b": noise(4)}, tmp_path)
    assert (found.macs, found.parameters) == (2 * 64 * 4 * 36, 4 * 36 + 4)


@pytest.mark.parametrize(
    "chain",
    [
        "w = Constant <value = float[1] {0}> ()",
        "k = Constant <value = float[1] {0}> ()  w = Identity(k)",
        "k = Constant <value = float[1] {0}> ()  d = Cast <to = 11> (k)  w = Cast <to = 1> (d)",
        "k = Constant <value = float[1] {0}> ()  t = Transpose <perm = [1, 0, 3, 2]> (k)"
        "  w = Transpose <perm = [1, 0, 3, 2]> (t)",
        "s = Constant <value_ints = [6, 4, 3, 3]> ()  w = ConstantOfShape(s)",
        "k = Constant <value = float[1] {0}> ()  s = Constant <value_ints = [6, 4, 3, 3]> ()  w = Reshape(k, s)",
    ],
    ids=["constant", "identity", "cast", "transpose", "constant-of-shape", "reshape"],
)
def test_weights_behind_nodes_count_once(tmp_path: Path, chain: str) -> None:
    model = build(f"g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {{ {chain}  y = Conv(x, w)  z = Conv(x, w) }}")
    kernel = noise(6, 4, 3, 3)
    if chain.startswith("k") or "value = float" in chain:
        model.graph.node[0].attribute[0].t.CopyFrom(numpy_helper.from_array(kernel))
    found = opened(model, tmp_path)
    assert measure_work(found).parameters == kernel.size
    first = convs(found)["y"]
    assert first.refusal is None
    read = first.kernel()
    expected = np.zeros_like(kernel) if "OfShape" in chain else kernel
    np.testing.assert_array_equal(read, expected)


def test_a_weight_that_is_put_together_counts_whole(tmp_path: Path) -> None:
    """Weight normalisation has a direction and a length; parts may be concatenated."""
    text = """(float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {
        n = ReduceL2 <axes = [1, 2, 3]> (v)  u = Div(v, n)  w = Mul(u, g)
        k = Concat <axis = 0> (w, p)  y = Conv(x, k)
    }"""
    found = work(text, {"v": noise(6, 4, 3, 3), "g": noise(6, 1, 1, 1), "p": noise(2, 4, 3, 3)}, tmp_path)
    assert found.parameters == 6 * 36 + 6 + 2 * 36


def test_shape_arithmetic_has_no_parameters(tmp_path: Path) -> None:
    text = """(float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {
        s = Shape(x)  two = Constant <value_ints = [1, 1, 2, 1]> ()  t = Mul(s, two)
        e = Constant <value = float[1] {1.0}> ()  f = Add(x, e)  h = Constant <value_ints = [1, 4, 4, 16]> ()
        y = Reshape(f, h)
    }"""
    assert work(text, {}, tmp_path).parameters == 0


def test_scales_that_a_network_learned_are_parameters(tmp_path: Path) -> None:
    text = "(float[1, 4, 8, 8] x) => (float[a, b, c, d] y) { z = Mul(x, s)  y = PRelu(z, p) }"
    assert work(text, {"s": noise(4, 1, 1), "p": noise(4, 1, 1)}, tmp_path).parameters == 8


def test_what_cannot_be_counted_is_listed(tmp_path: Path) -> None:
    text = """(float[5, 1, 4] x, float[3, 4] e) => (float[a, b, c, d] y) {
        y = LSTM <hidden_size = 6> (x, w, r)
        z = Einsum <equation = "ij,kj->ik"> (e, e)  t = Einsum <equation = "ij->ji"> (e)
        q = com.microsoft.FusedGemm(e, k)
    }"""
    found = work(text, {"w": noise(1, 24, 4), "r": noise(1, 24, 6), "k": noise(4, 2)}, tmp_path)
    assert uncounted(found) == [("Einsum", "", 2), ("FusedGemm", "com.microsoft", 1), ("LSTM", "", 1)]
    assert found.parameters == 24 * 4 + 24 * 6
    assert (found.macs, found.macs_formula) == (0, None)


def test_a_conv_of_unknown_shape_is_listed(tmp_path: Path) -> None:
    text = "(float[1, 3, 8, 8] x) => (float[a, b, c, d] y) { z = local.what(x)  y = Conv(z, w) }"
    found = work(text, {"w": noise(4, 3, 3, 3)}, tmp_path)
    assert uncounted(found) == [("Conv", "", 1), ("what", "local", 1)]


def test_bodies_of_control_flow_are_counted(tmp_path: Path) -> None:
    text = """(float[1, 4, 8, 8] x, bool c) => (float[a, b, d, e] y) {
        y = If (c) <then_branch = p () => (float[a, b, d, e] u) { u = Conv(x, w) },
                    else_branch = q () => (float[a, b, d, e] v) { v = Conv <pads = [1, 1, 1, 1]> (x, w) }>
    }"""
    found = work(text, {"w": noise(6, 4, 3, 3)}, tmp_path)
    assert (found.macs, found.parameters, found.uncounted) == ((36 + 64) * 6 * 36, 6 * 36, ())


def test_calls_of_functions_are_listed(tmp_path: Path) -> None:
    text = """(float[1, 4, 8, 8] x) => (float[a, b, c, d] y) { y = local.f(x, w) }
        <domain: "local", opset_import: ["": 17]> f (i, k) => (o) { o = Conv(i, k) }"""
    found = work(text, {"w": noise(6, 4, 3, 3)}, tmp_path)
    assert ("f", "local", 1) in uncounted(found)
    assert found.macs_formula is None


def test_empty_maps_cost_nothing(tmp_path: Path) -> None:
    text = "(float[0, 4, 8, 8] x) => (float[a, b, c, d] y) { y = Conv(x, w) }"
    assert work(text, {"w": noise(6, 4, 3, 3)}, tmp_path).macs == 0


def test_a_diamond_of_constants_is_counted_in_good_time(tmp_path: Path) -> None:
    """Each node reads the one before twice: whoever follows every path takes 2**200 steps."""
    nodes = [helper.make_node("Add", [f"w{i}", f"w{i}"], [f"w{i + 1}"]) for i in range(200)]
    model = build("g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) { y = Conv(x, w200) }", {"w0": noise(6, 4, 3, 3)})
    last = onnx.NodeProto.FromString(model.graph.node[0].SerializeToString())
    del model.graph.node[:]
    model.graph.node.extend([*nodes, last])
    found = opened(model, tmp_path)
    assert measure_work(found).parameters == 6 * 36
    assert convs(found)["y"].refusal is None
    assert convs(found)["y"].kernel().shape == (6, 4, 3, 3)


@pytest.mark.parametrize("op_type", ["Conv", "Gemm", ""])
def test_a_node_without_outputs_is_uncounted(op_type: str, tmp_path: Path) -> None:
    model = build("g (float[N, 3, 8, 8] x) => (float[N, 16, 6, 6] y) { y = Conv (x, w) }", {"w": noise(16, 3, 3, 3)})
    model.graph.node.append(helper.make_node(op_type, ["y", "w"], []))
    found = measure_work(opened(model, tmp_path))
    assert uncounted(found) == [(op_type, "", 1)]
    assert found.macs == 6 * 6 * 16 * 27

"""The graph as plain data, and other numbers in its constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper
from onnx_models import build, noise, opened

from convprof.errors import ModelError
from convprof.graph import describe, filled, hollow, with_weights
from convprof.records.network import Network, Step

CONV = "g (float[N, 3, 8, 8] x) => (float[a, b, c, d] y) { y = Conv <pads = [1, 1, 1, 1]> (x, w, b) }"
WEIGHTS = {"w": noise(4, 3, 3, 3), "b": noise(4)}


def described(model: onnx.ModelProto, folder: Path) -> Network:
    return describe(opened(model, folder, {"x": (2, 3, 8, 8)}).program, "model")


def test_a_description_holds_steps_names_and_constants(tmp_path: Path) -> None:
    network = described(build(CONV, WEIGHTS), tmp_path)
    assert network.steps == (Step("Conv", "", ("x", "w", "b"), ("y",), {"pads": (1, 1, 1, 1)}, "y"),)
    assert (network.inputs[0].name, network.inputs[0].shape) == ("x", (None, 3, 8, 8))
    assert network.outputs == ("y",)
    assert network.versions[""] == 17
    assert network.stored == {"w", "b"}
    np.testing.assert_array_equal(network.constants["w"], WEIGHTS["w"])


def test_constant_nodes_are_constants_and_subgraphs_are_networks(tmp_path: Path) -> None:
    body = """g (float[N, 3, 8, 8] x) => (float[a, b, c, d] y) {
        k = Constant <value_ints = [1, 2]> ()  c = Constant <value = bool[1] {1}> ()
        y = If(c) <then_branch = t () => (float[a, b, c, d] p) { p = Relu(x) },
                   else_branch = e () => (float[a, b, c, d] q) { h = Constant <value_float = 2.0> ()  q = Mul(x, h) }>
    }"""
    network = described(build(body), tmp_path)
    assert network.constants["k"].tolist() == [1, 2]
    (step,) = network.steps
    branch = step.attributes["else_branch"]
    assert isinstance(branch, Network)
    assert branch.constants["h"] == 2
    assert [inner.op_type for inner in branch.steps] == ["Mul"]


def test_functions_are_written_out(tmp_path: Path) -> None:
    body = """g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) { t = local.f(x)  y = local.f(t) }
        <domain: "local", opset_import: ["": 17]> f (a) => (b) { c = Relu(a)  b = Neg(c) }"""
    network = described(build(body), tmp_path)
    assert [step.op_type for step in network.steps] == ["Relu", "Neg", "Relu", "Neg"]
    assert network.outputs == ("y",)


def test_other_numbers_go_into_a_clone(tmp_path: Path) -> None:
    program = opened(build(CONV, WEIGHTS), tmp_path, {"x": (2, 3, 8, 8)}).program
    changed = with_weights(program, {"w": WEIGHTS["w"].astype(np.float64) * 2}, "model")
    value = changed.graph.initializers["w"].const_value
    assert value is not None
    assert value.dtype == ir.DataType.FLOAT
    np.testing.assert_array_equal(value.numpy(), WEIGHTS["w"] * 2)
    old = program.graph.initializers["w"].const_value
    assert old is not None
    np.testing.assert_array_equal(old.numpy(), WEIGHTS["w"])


def test_a_graph_without_its_weights_is_small_and_takes_them_back(tmp_path: Path) -> None:
    weights = {"w": noise(4, 3, 3, 3), "b": noise(4)}
    model = build(CONV, weights)
    model.graph.node.append(helper.make_node("Mul", ["y", "k"], ["z"]))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(noise(4, 1, 1))))
    model.graph.output[0].name = "z"
    model.metadata_props.add(key="author", value="somebody")
    program = opened(model, tmp_path, {"x": (2, 3, 8, 8)}).program
    values = {**weights, "k": noise(4, 1, 1, seed=3)}

    blueprint = hollow(program, tuple(values), "model")
    assert all(array.tobytes() not in blueprint for array in (*weights.values(), noise(4, 1, 1)))
    back = ir.serde.serialize_model(filled(blueprint, values, "model"))

    assert [node.op_type for node in back.graph.node] == [node.op_type for node in model.graph.node]
    assert {t.name: numpy_helper.to_array(t).tobytes() for t in back.graph.initializer} == {
        name: array.tobytes() for name, array in weights.items()
    }
    constant = next(node for node in back.graph.node if node.op_type == "Constant")
    assert numpy_helper.to_array(constant.attribute[0].t).tobytes() == values["k"].tobytes()
    assert {prop.key: prop.value for prop in back.metadata_props}["author"] == "somebody"


def test_data_beside_the_model_travel_inside_the_blueprint(tmp_path: Path) -> None:
    program = opened(build(CONV, {"w": noise(4, 3, 3, 3), "b": noise(4)}), tmp_path).program
    (tmp_path / "beside").mkdir()
    ir.save(program, tmp_path / "beside" / "model.onnx", external_data="model.data")
    beside = opened(tmp_path / "beside" / "model.onnx", tmp_path).program
    blueprint = hollow(beside, ("b",), "model")
    (tmp_path / "beside" / "model.data").unlink()
    value = filled(blueprint, {"b": noise(4)}, "model").graph.initializers["w"].const_value
    assert value is not None
    assert value.tobytes() == WEIGHTS["w"].tobytes()


@pytest.mark.parametrize(
    ("values", "why"),
    [({"lost": noise(4)}, "no constant called 'lost'"), ({"w": noise(4, 3)}, r"'w'.*\[4, 3\].*\[4, 3, 3, 3\]")],
)
def test_what_does_not_fit_is_refused(values: dict[str, np.ndarray], why: str, tmp_path: Path) -> None:
    program = opened(build(CONV, WEIGHTS), tmp_path, {"x": (2, 3, 8, 8)}).program
    with pytest.raises(ModelError, match=why):
        with_weights(program, values, "model")

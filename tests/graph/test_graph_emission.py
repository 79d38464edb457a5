"""What is written in the place of a conv computes the composed kernel and disturbs nothing else of the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper
from onnx_models import Array, build, convs, noise, opened, run

from convprof import fitting, rewriting
from convprof.errors import ModelError, OutputError
from convprof.forms import PLANNABLE
from convprof.graph import Model, Names, save
from convprof.records.plan import Emission, Plan, PlannedLayer

CHOICES = [(name, emission) for name, form in PLANNABLE.items() for emission in form.emissions]
NET = """g (float[N, 4, 12, 12] x) => (float[N, 8, h, w] y, float[N, 8, 12, 12] s) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)  r = Relu(a)
    b = Conv <auto_pad = "SAME_UPPER", dilations = [1, 1]> (r, w2)  s = Add(b, r)
    y = Conv <kernel_shape = [3, 5], strides = [2, 1], pads = [1, 0, 0, 2]> (s, w3, b3)
}"""


def weights(dtype: str = "float32") -> dict[str, Array]:
    shapes = {"w1": (8, 4, 3, 3), "b1": (8,), "w2": (8, 8, 3, 3), "w3": (8, 8, 3, 5), "b3": (8,)}
    return {name: noise(*shape, seed=len(name + str(shape)), dtype=dtype) for name, shape in shapes.items()}


def plan_for(model: Model, form: str, emission: Emission, rank: int = 2, layers: tuple[str, ...] = ()) -> Plan:
    found = {name: conv for name, conv in convs(model).items() if not layers or name in layers}
    ranks = {name: PLANNABLE[form].full_rank(conv.known_site.spec) for name, conv in found.items()}
    planned = tuple(
        PlannedLayer(name, form, tuple(min(rank, r) for r in full), emission) for name, full in ranks.items()
    )
    return Plan("convprof.plan/1", model.file, planned)


def converted(model: Model, plan: Plan, path: Path) -> Model:
    prepared = rewriting.prepare(model, plan)
    return rewriting.rewrite(prepared, plan, fitting.factor(prepared, plan), path)


def composed(model: onnx.ModelProto, opened_model: Model, plan: Plan) -> onnx.ModelProto:
    """The same model, every planned kernel replaced by the dense kernel that its chain equals."""
    prepared = rewriting.prepare(opened_model, plan)
    fitted = {layer.name: layer for layer in fitting.factor(prepared, plan)}
    twin = onnx.ModelProto.FromString(model.SerializeToString())
    for node in twin.graph.node:
        layer = fitted.get(node.output[0])
        if node.op_type != "Conv" or layer is None:
            continue
        conv = convs(prepared)[node.output[0]]
        kernel = PLANNABLE[layer.form].compose(layer.factors, conv.known_site.spec).astype(conv.kernel().dtype)
        twin.graph.initializer.append(numpy_helper.from_array(kernel, f"{node.output[0]}.dense"))
        node.input[1] = f"{node.output[0]}.dense"
    return twin


@pytest.mark.parametrize(("form", "emission"), CHOICES)
def test_every_form_in_every_emission(tmp_path: Path, form: str, emission: Emission) -> None:
    proto = build(NET, weights())
    proto.metadata_props.add(key="trained", value="on pictures")
    proto.producer_name = "maker"
    model = opened(proto, tmp_path)
    plan = plan_for(model, form, emission)
    result = converted(model, plan, tmp_path / "out.onnx")
    written = onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert written.opset_import == proto.opset_import
    assert (written.ir_version, written.producer_name) == (proto.ir_version, "maker")
    assert written.graph.input == proto.graph.input
    assert [value.name for value in written.graph.output] == ["y", "s"]
    properties = {entry.key: entry.value for entry in written.metadata_props}
    assert properties["trained"] == "on pictures"
    note = json.loads(properties["convprof"])
    assert note["layers"] == [[layer.name, form, list(layer.rank), emission] for layer in plan.layers]
    assert note["source_sha256"] == model.file.sha256
    assert [figure[0] for figure in note["figures"]] == [layer.name for layer in plan.layers]
    assert all(0 < after <= before for _, before, after, _ in note["figures"])
    assert {tensor.name for tensor in written.graph.initializer}.isdisjoint({"w1", "w2", "w3"})
    assert_sorted(written)
    assert result.file.path == str(tmp_path / "out.onnx")
    feeds = {"x": noise(3, 4, 12, 12, seed=9)}
    got, wanted = run(tmp_path / "out.onnx", feeds), run(composed(proto, model, plan), feeds)
    for name in ("y", "s"):
        np.testing.assert_allclose(got[name], wanted[name], atol=2e-5)


def assert_sorted(model: onnx.ModelProto) -> None:
    known = {value.name for value in model.graph.input} | {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        assert set(node.input) - {""} <= known
        known.update(node.output)
    names = [node.name for node in model.graph.node if node.name]
    assert len(names) == len(set(names))
    outputs = [output for node in model.graph.node for output in node.output]
    assert len(outputs) == len(set(outputs))


@pytest.mark.parametrize(("form", "emission"), CHOICES)
def test_at_full_rank_nothing_changes(tmp_path: Path, form: str, emission: Emission) -> None:
    proto = build(NET, weights())
    model = opened(proto, tmp_path)
    converted(model, plan_for(model, form, emission, rank=10_000), tmp_path / "out.onnx")
    feeds = {"x": noise(1, 4, 12, 12, seed=9)}
    np.testing.assert_allclose(run(tmp_path / "out.onnx", feeds)["y"], run(proto, feeds)["y"], atol=1e-4)


@pytest.mark.parametrize(("form", "emission"), CHOICES)
@pytest.mark.parametrize(
    ("kind", "dtype", "size", "ir"),
    [
        ("float16", "float16", (8, 8), 8),
        ("double", "float64", (8, 8), 8),
        ("float", "float32", (9,), 8),
        ("float", "float32", (5, 5, 5), 8),
        ("float", "float32", (8, 8), 3),
    ],
    ids=["half", "double", "one-axis", "three-axes", "ir-3"],
)
def test_types_axes_and_versions(
    tmp_path: Path, form: str, emission: Emission, kind: str, dtype: str, size: tuple[int, ...], ir: int
) -> None:
    dims = ", ".join(map(str, size))
    out = ", ".join("abcde"[: len(size) + 2])
    text = f"g ({kind}[1, 4, {dims}] x) => ({kind}[{out}] y) {{ t = Conv(x, w, k)  y = Relu(t) }}"
    arrays = {"w": noise(6, 4, *(3 for _ in size), dtype=dtype), "k": noise(6, dtype=dtype)}
    proto = build(text, arrays, ir=ir, opset=17 if ir > 3 else 8)
    model = opened(proto, tmp_path)
    refusal = PLANNABLE[form].applies(convs(model)["t"].known_site.spec)
    if refusal is not None:
        assert (form, len(size)) == ("spatial", 1)
        return
    plan = plan_for(model, form, emission)
    converted(model, plan, tmp_path / "out.onnx")
    written = onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(written, full_check=True)
    inputs = {value.name for value in written.graph.input}
    initialisers = {tensor.name for tensor in written.graph.initializer}
    assert inputs == ({"x"} | initialisers if ir == 3 else {"x"})
    assert initialisers.isdisjoint(arrays)
    feeds = {"x": noise(1, 4, *size, dtype=dtype)}
    got, wanted = run(tmp_path / "out.onnx", feeds)["y"], run(composed(proto, model, plan), feeds)["y"]
    np.testing.assert_allclose(got, wanted, atol=2e-2 if dtype == "float16" else 1e-4)


def test_names_that_are_taken_are_not_taken_again(tmp_path: Path) -> None:
    """The model may hold the very names that we would choose; here it does, for a node, values and weights."""
    text = "g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) { t = Conv(x, w)  y = Neg(t) }"
    proto = build(text, {"w": noise(6, 4, 3, 3)})
    first = opened(proto, tmp_path)
    converted(first, plan_for(first, "depthwise-pointwise", "sum"), tmp_path / "first.onnx")
    taken = [name for node in onnx.load(tmp_path / "first.onnx").graph.node for name in (node.name, *node.output)]
    taken += [tensor.name for tensor in onnx.load(tmp_path / "first.onnx").graph.initializer]
    wanted = [name for name in taken if "convprof" in name]
    assert len(wanted) > 5
    nodes = [helper.make_node("Identity", ["x"], [name], name=name) for name in wanted]
    proto.graph.node.extend(nodes)
    second = opened(proto, tmp_path)
    converted(second, plan_for(second, "depthwise-pointwise", "sum"), tmp_path / "second.onnx")
    written = onnx.load(tmp_path / "second.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert_sorted(written)
    feeds = {"x": noise(1, 4, 8, 8)}
    np.testing.assert_array_equal(run(tmp_path / "first.onnx", feeds)["y"], run(tmp_path / "second.onnx", feeds)["y"])


def test_a_converted_model_can_be_converted_again(tmp_path: Path) -> None:
    model = opened(build(NET, weights()), tmp_path)
    once = converted(model, plan_for(model, "depthwise-pointwise", "sum", layers=("a",)), tmp_path / "once.onnx")
    assert [name for name in convs(once) if "/convprof/" not in name] == ["b", "y"]
    converted(once, plan_for(once, "depthwise-pointwise", "sum", layers=("b",)), tmp_path / "twice.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "twice.onnx"), full_check=True)


def test_weights_that_others_read_stay(tmp_path: Path) -> None:
    text = """g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {
        t = Conv <pads = [1, 1, 1, 1]> (x, w, k)  y = Conv(t, w, k)
    }"""
    model = opened(build(text, {"w": noise(4, 4, 3, 3), "k": noise(4)}), tmp_path)
    converted(model, plan_for(model, "depthwise-pointwise", "sum", layers=("t",)), tmp_path / "out.onnx")
    assert {"w", "k"} <= {tensor.name for tensor in onnx.load(tmp_path / "out.onnx").graph.initializer}


def test_nodes_that_only_made_the_weights_go_too(tmp_path: Path) -> None:
    text = """g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) {
        t = Transpose <perm = [1, 0, 2, 3]> (w)  i = Identity(t)  y = Conv(x, i)
    }"""
    model = opened(build(text, {"w": noise(4, 6, 3, 3)}), tmp_path)
    converted(model, plan_for(model, "depthwise-pointwise", "sum"), tmp_path / "out.onnx")
    written = onnx.load(tmp_path / "out.onnx")
    assert {node.op_type for node in written.graph.node} == {"Conv", "Add"}
    assert "w" not in {tensor.name for tensor in written.graph.initializer}


def test_control_flow_functions_and_other_domains_survive(tmp_path: Path) -> None:
    text = """g (float[1, 4, 8, 8] x, bool c) => (float[a, b, d, e] y) {
        t = Conv <pads = [1, 1, 1, 1]> (x, w)
        u = If (c) <then_branch = p () => (float[f, g, h, i] q) { q = Relu(t) },
                    else_branch = r () => (float[f, g, h, i] s) { s = local.f(t) }>
        y = com.microsoft.Gelu(u)
    }
    <domain: "local", opset_import: ["": 17]> f (i) => (o) { o = Neg(i) }"""
    proto = build(text, {"w": noise(6, 4, 3, 3)})
    model = opened(proto, tmp_path)
    plan = plan_for(model, "spatial", "sum", rank=100)
    converted(model, plan, tmp_path / "out.onnx")
    for choice in (True, False):
        feeds = {"x": noise(1, 4, 8, 8), "c": np.array(choice)}
        np.testing.assert_allclose(run(tmp_path / "out.onnx", feeds)["y"], run(proto, feeds)["y"], atol=1e-5)


def test_external_data_go_into_one_file_beside_the_result(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    proto = build(NET, weights())
    onnx.save(proto, source / "m.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    model = opened(source / "m.onnx", tmp_path)
    converted(model, plan_for(model, "spatial", "sum", rank=100, layers=("a",)), tmp_path / "out.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "out.onnx", "out.onnx.data"}
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    feeds = {"x": noise(1, 4, 12, 12)}
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("out.onnx", "out.onnx.data"):
        (tmp_path / name).rename(moved / name)
    inline = build(NET, weights())
    np.testing.assert_allclose(run(moved / "out.onnx", feeds)["y"], run(inline, feeds)["y"], atol=1e-4)


def test_a_result_that_is_no_valid_model_leaves_no_file(tmp_path: Path) -> None:
    text = "g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) { t = Conv(x, w)  y = Nonsense(t) }"
    model = opened(build(text, {"w": noise(6, 4, 3, 3)}), tmp_path)
    with pytest.raises(ModelError, match=r"model\.onnx: it is not valid ONNX"):
        converted(model, plan_for(model, "depthwise-pointwise", "sum"), tmp_path / "out.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    model = opened(build(NET, weights()), tmp_path)
    plan = plan_for(model, "spatial", "sum")
    with pytest.raises(OutputError):
        save(model, tmp_path / "model.onnx" / "out.onnx", plan)
    with pytest.raises(OutputError):
        save(model, tmp_path / "nowhere" / "out.onnx", plan)


def test_new_names() -> None:
    names = Names(ir.serde.deserialize_model(build("g (float[1] x) => (float[1] y) { y = Neg(x) }")))
    assert [names.new(name) for name in ("x", "x", "z", "z", "y")] == ["x_2", "x_3", "z", "z_2", "y_2"]

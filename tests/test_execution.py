"""Walking a network value by value gives the values of one whole run, whatever its graph looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from convprof import fitting, graph, rewriting
from convprof.data import Batches, open_data
from convprof.errors import DataError
from convprof.execution import (
    Walk,
    chunks,
    example_feeds,
    first_feeds,
    fixed_batch,
    load,
    settle,
    spread,
    usable_samples,
)
from convprof.forms import FORMS
from convprof.graph import Model
from convprof.records.analysis import TensorSpec
from convprof.records.plan import Plan, PlannedLayer
from convprof.runtime import RunOptions, open_session

Array = NDArray[Any]
OPTIONS = RunOptions()


def noise(*shape: int, seed: int = 0) -> Array:
    return (np.random.default_rng(seed).standard_normal(shape) / 3).astype(np.float32)


def opened(
    folder: Path, text: str, weights: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Model:
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17, "local": 1]>\n{text}')
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return settle(load(path), shapes or {}, {}, {})


def every_value(model: Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """All values of the main graph from one run of the whole."""
    proto = onnx.ModelProto.FromString(graph.serialized(model.program))
    names = {value.name for value in proto.graph.output}
    for node in proto.graph.node:
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name not in names)
    return open_session(proto.SerializeToString()).run(feeds)


def batches(folder: Path, model: Model, **arrays: Array) -> Batches:
    np.savez(folder / "data.npz", allow_pickle=False, **arrays)
    return open_data(str(folder / "data.npz"), graph.declared_inputs(model.program))


RESIDUAL = """g (float[N, 3, 8, 8] x) => (float[N, 6, 8, 8] y) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w1)  r = Relu(a)
    b = Conv <pads = [1, 1, 1, 1]> (r, w2)  s = Add(b, r)
    c = Conv(s, w3)  d = Conv <pads = [1, 1, 1, 1]> (s, w2)
    k = Concat <axis = 1> (c, d)  y = Conv(k, w4)
}"""
KERNELS = {"w1": noise(4, 3, 3, 3), "w2": noise(4, 4, 3, 3), "w3": noise(4, 4, 1, 1), "w4": noise(6, 8, 1, 1)}

BRANCHES = """g (float[N, 3, 8, 8] x) => (float[a, b, c, d] y) {
    t = Conv <pads = [1, 1, 1, 1]> (x, w1)  m = ReduceMean <keepdims = 0> (x)  z = Constant <value = float {0.0}> ()
    q = Greater(m, z)  u = Relu(t)
    v = If (q) <
        then_branch = p () => (float[a, b, c, d] e) { e = Add(u, t) },
        else_branch = o () => (float[a, b, c, d] f) { n = Not(q)  f = If (n) <
            then_branch = i () => (float[a, b, c, d] g) { g = Sub(u, t) },
            else_branch = j () => (float[a, b, c, d] h) { h = Neg(t) }> }>
    y = Conv(v, w2)
}"""

MANY = """g (float[N, 3, 8, 8] x, float[N, 3, 8, 8] z, float[N] unused) => (float[a, b, c, d] y, float[e, f, g, h] o) {
    t = Conv(x, w1)  u = Conv(z, w1)  p, q = Split <axis = 1> (t)  o = Relu(u)
    k = Concat <axis = 1> (q, p)  j = Mul(k, u)  y = Conv(j, w2)
}"""

SHAPES = """g (float[N, 3, H, W] x) => (float[a, b] y) {
    t = Conv <pads = [1, 1, 1, 1]> (x, w1)  s = Shape(x)  zero = Constant <value_ints = [0]> ()
    n = Gather <axis = 0> (s, zero)  minus = Constant <value_ints = [-1]> ()
    eight = Constant <value_ints = [8]> ()  four = Constant <value_ints = [4]> ()
    to = Concat <axis = 0> (n, four, eight, minus)  r = Reshape(t, to)  u = Conv(r, w2)
    flat = Concat <axis = 0> (n, minus)  f = Reshape(u, flat)  y = Softmax(f)
}"""

CALLS = """g (float[N, 3, 8, 8] x) => (float[a, b, c, d] y) {
    t = Conv(x, w1)  u = local.twice(t)  y = Conv(u, w2)
}
<domain: "local", opset_import: ["": 17]> twice (i) => (o) { o = Add(i, i) }"""

NETWORKS = {"residual": RESIDUAL, "branches": BRANCHES, "many": MANY, "shapes": SHAPES, "calls": CALLS}


def network(name: str, folder: Path) -> tuple[Model, list[dict[str, Array]]]:
    """A network and two chunks of different sizes."""
    text = NETWORKS[name]
    used = {kernel: array for kernel, array in KERNELS.items() if kernel in text}
    shapes = {"x": (1, 3, 8, 8)} if name == "shapes" else {}
    model = opened(folder, text, used, shapes)
    feeds = [{"x": noise(n, 3, 8, 8, seed=n)} for n in (3, 1)]
    if name == "many":
        for feed in feeds:
            feed |= {"z": noise(len(feed["x"]), 3, 8, 8, seed=7), "unused": noise(len(feed["x"]))}
    return model, feeds


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("forgetful", [False, True])
def test_every_value_is_that_of_the_whole(tmp_path: Path, name: str, forgetful: bool) -> None:
    model, feeds = network(name, tmp_path)
    whole = [every_value(model, feed) for feed in feeds]
    walk = Walk(model, feeds, OPTIONS)
    for node in model.program.graph:
        for output in node.outputs:
            if forgetful and not output.uses() and not output.is_graph_output():
                continue
            seen = list(walk.reach(str(output.name)))
            for value, wanted in zip(seen, whole, strict=True):
                np.testing.assert_allclose(value, wanted[str(output.name)], atol=1e-6)
        if forgetful:
            walk.forget()


@pytest.mark.parametrize("name", NETWORKS)
def test_conv_by_conv_as_a_fit_walks(tmp_path: Path, name: str) -> None:
    model, feeds = network(name, tmp_path)
    whole = [every_value(model, feed) for feed in feeds]
    inputs, outputs = Walk(model, feeds, OPTIONS), Walk(model, feeds, OPTIONS)
    for conv in graph.find_convs(model):
        for walk, value in ((inputs, conv.input_name), (outputs, conv.output_name)):
            for chunk, wanted, feed in zip(walk.reach(value), whole, feeds, strict=True):
                np.testing.assert_allclose(chunk, {**feed, **wanted}[value], atol=1e-6)
            walk.forget()


def test_a_walk_runs_every_node_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, feeds = network("residual", tmp_path)
    ran: list[str] = []
    original = graph.Cutter.segment

    def segment(self: graph.Cutter, targets: Sequence[str], examples: Mapping[str, Array]) -> graph.Segment | None:
        piece = original(self, targets, examples)
        if piece is not None:
            nodes = onnx.ModelProto.FromString(piece.model).graph.node
            ran.extend(node.output[0] for node in nodes if node.op_type != "Constant")
        return piece

    monkeypatch.setattr(graph.Cutter, "segment", segment)
    walk = Walk(model, feeds, OPTIONS)
    for conv in graph.find_convs(model):
        list(walk.reach(conv.input_name))
        list(walk.reach(conv.output_name))
        walk.forget()
    assert sorted(ran) == sorted(set(ran))


def test_layers_ahead_of_the_walk_may_be_replaced(tmp_path: Path) -> None:
    model, feeds = network("residual", tmp_path)
    form, walk = FORMS["depthwise-pointwise"], Walk(model, feeds, OPTIONS)
    planned = [PlannedLayer(name, form.name, (1,)) for name in ("a", "b", "d")]
    plan = Plan("convprof.plan/1", model.file, tuple(planned))
    fitted = {layer.name: layer for layer in fitting.factor(model, plan)}
    before = [every_value(model, feed) for feed in feeds]
    for name in ("a", "b", "d"):
        list(walk.reach(walk.conv(name).input_name))
        spec = graph.find_convs(model)[0].known_site.spec if name == "a" else walk.conv(name).known_site.spec
        walk.replace(name, form.arrange(fitted[name].factors, spec, "sum"))
        walk.forget()
    (first, _) = list(walk.reach("y"))
    student = {
        name: graph_value
        for name, graph_value in every_value(converted(model, plan, tmp_path), feeds[0]).items()
        if name in ("r", "s", "y")
    }
    np.testing.assert_allclose(first, student["y"], atol=1e-5)
    assert not np.allclose(first, before[0]["y"], atol=1e-3)
    assert [conv.name for conv in graph.find_convs(model)] == ["a", "b", "c", "d", "y"]


def converted(model: Model, plan: Plan, folder: Path) -> Model:
    prepared = rewriting.prepare(model, plan)
    return rewriting.rewrite(prepared, plan, fitting.factor(prepared, plan), folder / "out.onnx")


def test_a_walk_leaves_the_model_alone(tmp_path: Path) -> None:
    model, feeds = network("residual", tmp_path)
    before = graph.serialized(model.program)
    walk = Walk(model, feeds, OPTIONS)
    list(walk.reach("y"))
    assert graph.serialized(model.program) == before


def test_forgetting_frees_what_nobody_ahead_reads(tmp_path: Path) -> None:
    model, feeds = network("residual", tmp_path)
    walk = Walk(model, feeds, OPTIONS)
    list(walk.reach("s"))
    walk.forget()
    assert [sorted(chunk) for chunk in walk._chunks] == [["s"], ["s"]]


# Chunks


def test_chunks_of_a_free_batch(tmp_path: Path) -> None:
    model, _ = network("residual", tmp_path)
    data = batches(tmp_path, model, x=noise(150, 3, 8, 8))
    assert fixed_batch(model) is None
    assert [len(chunk["x"]) for chunk in chunks(model, data)] == [64, 64, 22]
    assert usable_samples(model, data) == 150


def test_large_maps_make_small_chunks(tmp_path: Path) -> None:
    text = "g (float[N, 3, 2048, 2048] x) => (float[a, b, c, d] y) { y = Relu(x) }"
    model = opened(tmp_path, text, {})
    data = batches(tmp_path, model, x=np.zeros((3, 3, 2048, 2048), np.float32))
    assert [len(chunk["x"]) for chunk in chunks(model, data)] == [1, 1, 1]


def test_a_fixed_batch_is_filled_or_left_out(tmp_path: Path) -> None:
    text = "g (float[4, 3, 8, 8] x) => (float[a, b, c, d] y) { y = Conv(x, w1) }"
    model = opened(tmp_path, text, {"w1": KERNELS["w1"]})
    data = batches(tmp_path, model, x=noise(10, 3, 8, 8))
    assert fixed_batch(model) == 4
    assert [len(chunk["x"]) for chunk in chunks(model, data)] == [4, 4]
    assert usable_samples(model, data) == 8
    with pytest.raises(DataError, match="do not fill"):
        list(chunks(model, data.take(3)))


def test_a_walk_in_fixed_batches(tmp_path: Path) -> None:
    text = """g (float[2, 3, 8, 8] x) => (float[2, d] y) {
        t = Conv(x, w1)  to = Constant <value_ints = [2, 4, 36]> ()  r = Reshape(t, to)  y = Flatten(r)
    }"""
    model = opened(tmp_path, text, {"w1": KERNELS["w1"]})
    feeds = list(chunks(model, batches(tmp_path, model, x=noise(5, 3, 8, 8))))
    assert len(feeds) == 2
    walk = Walk(model, feeds, OPTIONS)
    for seen, feed in zip(walk.reach("y"), feeds, strict=True):
        np.testing.assert_allclose(seen, every_value(model, feed)["y"], atol=1e-6)


# Feeds and names


def test_example_feeds_have_the_shapes_and_types_of_the_inputs() -> None:
    specs = [
        TensorSpec("a", "float32", (2, 3)),
        TensorSpec("b", "int64", (4,)),
        TensorSpec("c", "float16", ()),
        TensorSpec("d", "bool", (None, 2)),
        TensorSpec("e", "bfloat16", (2,)),
    ]
    feeds = example_feeds(specs, seed=1)
    assert {name: (array.shape, array.dtype.name) for name, array in feeds.items()} == {
        "a": ((2, 3), "float32"),
        "b": ((4,), "int64"),
        "c": ((), "float16"),
        "d": ((1, 2), "bool"),
        "e": ((2,), "bfloat16"),
    }
    assert np.ptp(feeds["a"]) > 0
    np.testing.assert_array_equal(example_feeds(specs, seed=1)["a"], feeds["a"])


def test_the_first_samples_are_fed_where_they_fit(tmp_path: Path) -> None:
    model, _ = network("residual", tmp_path)
    pictures = noise(5, 3, 8, 8)
    data = batches(tmp_path, model, x=pictures)
    np.testing.assert_array_equal(first_feeds(model, data, 0)["x"], pictures[:1])
    wide = settle(load(tmp_path / "model.onnx"), {"x": (9, 3, 8, 8)}, {}, {})
    assert first_feeds(wide, data, 0)["x"].shape == (9, 3, 8, 8)
    assert first_feeds(model, None, 0)["x"].shape == (1, 3, 8, 8)


# Versions of the data, and glances ahead


def test_a_glance_computes_from_other_values_and_moves_nothing(tmp_path: Path) -> None:
    model, feeds = network("residual", tmp_path)
    walk = Walk(model, feeds, OPTIONS)
    walk.reach("r")
    other = noise(2, 4, 8, 8, seed=5)
    (seen,) = walk.glance("b", [{"r": other}])
    fresh = Walk(model, feeds, OPTIONS)
    fresh.reach("r")
    fresh.fork("r", [other])
    np.testing.assert_array_equal(seen, list(fresh.reach("b"))[-1])
    for value, feed in zip(walk.reach("y"), feeds, strict=True):
        np.testing.assert_allclose(value, every_value(model, feed)["y"], atol=1e-6)


def test_versions_walk_on_beside_each_other(tmp_path: Path) -> None:
    model, feeds = network("residual", tmp_path)
    walk = Walk(model, feeds, OPTIONS)
    walk.reach("b")
    changed = [value + 1 for value in walk.last("b", 2)]
    walk.fork("b", changed)
    walk.forget()
    first, second, *versions = walk.reach("y")
    for value, feed in zip((first, second), feeds, strict=True):
        np.testing.assert_allclose(value, every_value(model, feed)["y"], atol=1e-6)
    assert [value.shape for value in versions] == [first.shape, second.shape]
    assert not np.allclose(versions[0], first, atol=1e-3)


def test_what_is_kept_is_never_forgotten(tmp_path: Path) -> None:
    model, feeds = network("many", tmp_path)
    walk = Walk(model, feeds, OPTIONS, kept=("o",))
    walk.reach("y")
    walk.forget()
    for value, feed in zip(walk.reach("o"), feeds, strict=True):
        np.testing.assert_allclose(value, every_value(model, feed)["o"], atol=1e-6)


def test_the_graph_is_looked_at_once_however_deep_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = "".join(f"c{n + 1} = Conv <pads = [1, 1, 1, 1]> (c{n}, w2) " for n in range(30))
    text = f"g (float[N, 4, 8, 8] c0) => (float[N, 4, 8, 8] c30) {{ {layers} }}"
    model = opened(tmp_path, text, {"w2": KERNELS["w2"]})
    looks, sizes = [], []
    mapping, clone = ir.convenience.create_value_mapping, ir.GraphView.clone

    def look(graph: ir.Graph, *, include_subgraphs: bool) -> dict[str, ir.Value]:
        looks.append(graph)
        return mapping(graph, include_subgraphs=include_subgraphs)

    def copy(view: ir.GraphView) -> ir.Graph:
        sizes.append(len(view))
        return clone(view)

    monkeypatch.setattr(ir.convenience, "create_value_mapping", look)
    monkeypatch.setattr(ir.GraphView, "clone", copy)
    walk = Walk(model, [{"c0": noise(1, 4, 8, 8)}], OPTIONS)
    for number in range(30):
        walk.reach(f"c{number + 1}")
        walk.forget()
    assert len(looks) == 1
    assert sizes == [1] * 30


# Samples that stand for the data


@pytest.mark.parametrize(("samples", "sizes"), [(5, [5]), (70, [64, 6]), (1000, [64, 26]), (1, [1])])
def test_spread_samples_of_a_free_batch(tmp_path: Path, samples: int, sizes: list[int]) -> None:
    model, _ = network("residual", tmp_path)
    pictures = noise(90, 3, 8, 8)
    feeds = spread(model, batches(tmp_path, model, x=pictures), samples)
    assert [len(feed["x"]) for feed in feeds] == sizes
    np.testing.assert_array_equal(feeds[0]["x"][0], pictures[0])
    if samples > 1:
        np.testing.assert_array_equal(feeds[-1]["x"][-1], pictures[-1])

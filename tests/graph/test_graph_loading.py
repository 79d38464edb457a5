"""What is read is what the file holds, and what is no model is refused with a ModelError."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import build, convs, noise, opened, run, store

from convprof import graph
from convprof.errors import ConvprofError, ModelError
from convprof.execution import load

CONV = "g (float[1, 3, 8, 8] x) => (float[1, M, H, W] y) { y = Conv(x, w, b) }"
KERNEL, BIAS = noise(64, 3, 3, 3), noise(64, seed=1)


def stored_as(field: str, dtype: str = "float32") -> onnx.ModelProto:
    """The conv with its weights in one of protobuf's fields."""
    model = build(CONV.replace("float[", "double[" if dtype == "float64" else "float["))
    for name, array in (("w", KERNEL.astype(dtype)), ("b", BIAS.astype(dtype))):
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        values: Any = array.tobytes() if field == "raw" else array.ravel().tolist()
        model.graph.initializer.append(helper.make_tensor(name, kind, array.shape, values, raw=field == "raw"))
    return model


@pytest.mark.parametrize(("field", "dtype"), [("raw", "float32"), ("data", "float32"), ("data", "float64")])
def test_weights_are_read_from_every_field(tmp_path: Path, field: str, dtype: str) -> None:
    (conv,) = convs(opened(stored_as(field, dtype), tmp_path)).values()
    np.testing.assert_array_equal(conv.kernel(), KERNEL.astype(dtype))
    np.testing.assert_array_equal(conv.bias(), BIAS.astype(dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_read(tmp_path: Path, dtype: str) -> None:
    kind = ir.DataType.from_numpy(np.dtype(dtype))
    name = {"float16": "float16", "bfloat16": "bfloat16"}[dtype]
    model = build(f"g ({name}[1, 3, 8, 8] x) => ({name}[1, M, H, W] y) {{ y = Conv(x, w) }}")
    raw = KERNEL.astype(kind.numpy()).tobytes()
    model.graph.initializer.append(helper.make_tensor("w", kind.value, KERNEL.shape, raw, raw=True))
    (conv,) = convs(opened(model, tmp_path)).values()
    assert conv.dtype == dtype
    np.testing.assert_allclose(conv.kernel().astype(np.float32), KERNEL, rtol=1e-2)


def test_weights_in_constants_branches_and_functions_are_read(tmp_path: Path) -> None:
    model = build(
        """g (float[1, 3, 8, 8] x, bool c) => (float[1, 64, 6, 6] y) {
            w = Constant <value = float[1] {0}> ()
            s = local.scale(x)
            y = If (c) <then_branch = a () => (float[1, 64, 6, 6] p) { p = Conv(s, w) },
                        else_branch = b () => (float[1, 64, 6, 6] q) { q = Conv(s, v) }>
        }
        <domain: "local", opset_import: ["": 17]> scale (i) => (o) {
            k = Constant <value = float[1] {0}> ()
            o = Mul(i, k)
        }"""
    )
    factors = noise(1, 3, 64, 64, seed=2)[:, :, :8, :8] * 0 + 2
    big = np.concatenate([factors, np.zeros((40, 3, 8, 8), np.float32)])  # large enough to stay in the file
    model.graph.node[0].attribute[0].t.CopyFrom(onnx.numpy_helper.from_array(KERNEL))
    model.graph.node[2].attribute[1].g.initializer.append(onnx.numpy_helper.from_array(KERNEL * 2, "v"))
    model.functions[0].node[0].attribute[0].t.CopyFrom(onnx.numpy_helper.from_array(big))
    model.functions[0].node[1].CopyFrom(helper.make_node("Mul", ["i", "m"], ["o"]))
    reduce = helper.make_node("ReduceMax", ["k"], ["m"], keepdims=0)
    model.functions[0].node.insert(1, reduce)
    found = opened(model, tmp_path)
    first, second = graph.find_convs(found)
    np.testing.assert_array_equal(first.kernel(), KERNEL)
    np.testing.assert_array_equal(second.kernel(), KERNEL * 2)
    feeds = {"x": noise(1, 3, 8, 8), "c": np.array(True)}
    np.testing.assert_array_equal(run(graph.serialized(found.program), feeds)["y"], run(model, feeds)["y"])


@pytest.mark.parametrize("place", ["initializer", "attribute"])
def test_external_data_are_found_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"...." + KERNEL.tobytes())
    tensor = external("weights.bin", offset=4)
    model = build("g (float[1, 3, 8, 8] x) => (float[1, M, H, W] y) { y = Conv(x, w) }")
    if place == "initializer":
        model.graph.initializer.append(tensor)
    else:
        model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
    store(model, folder)
    monkeypatch.chdir(tmp_path)
    found = opened(Path("models/model.onnx"), tmp_path)
    monkeypatch.chdir("/")
    (conv,) = convs(found).values()
    np.testing.assert_array_equal(conv.kernel(), KERNEL)
    assert "weights.bin" not in graph.serialized(found.program).decode("latin-1")


@pytest.mark.parametrize("location", ["../secret.bin", "{tmp}/secret.bin", "link.bin", "a/../../secret.bin"])
def test_external_data_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(KERNEL.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = build("g (float[1, 3, 8, 8] x) => (float[1, M, H, W] y) { y = Conv(x, w) }")
    model.graph.initializer.append(external(location.format(tmp=tmp_path)))
    with pytest.raises(ModelError, match="outside the model's folder"):
        load(store(model, folder))


def test_missing_external_data_are_named(tmp_path: Path) -> None:
    model = build("g (float[1, 3, 8, 8] x) => (float[1, M, H, W] y) { y = Conv(x, w) }")
    model.graph.initializer.append(external("lost.bin"))
    (conv,) = convs(opened(model, tmp_path)).values()
    with pytest.raises(ModelError, match=r"lost\.bin"):
        conv.kernel()


def external(location: str, offset: int = 0) -> TensorProto:
    """The kernel as external data."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=KERNEL.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(KERNEL.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_the_identity_of_the_file(tmp_path: Path) -> None:
    model = stored_as("raw")
    model.producer_name, model.producer_version = "maker", "1.2"
    path = store(model, tmp_path)
    file = load(path).file
    assert (file.path, file.ir_version, file.opset, file.producer) == (str(path), 8, 17, "maker 1.2")
    assert len(file.sha256) == 64


def write_text(path: Path) -> None:
    path.write_text("this is a text, and no model\n" * 200)


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", stored_as("raw").SerializeToString())


@pytest.mark.parametrize(
    "make",
    [write_text, write_zip, Path.mkdir, Path.touch, lambda path: None, lambda path: path.write_bytes(b"\x00" * 9000)],
    ids=["text", "zip", "folder", "empty", "missing", "zeros"],
)
def test_what_is_no_model_is_refused(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "model.onnx"
    make(path)
    with pytest.raises(ModelError) as caught:
        load(path)
    assert caught.value.what == str(path)
    assert caught.value.remedy


def test_a_path_too_long_for_the_system_is_refused() -> None:
    with pytest.raises(ModelError):
        load(Path("m" * 5000))


def test_nodes_in_the_wrong_order_are_sorted(tmp_path: Path) -> None:
    model = build("g (float[1, 3, 8, 8] x) => (float[1, 64, 6, 6] y) { y = Relu(z)  z = Conv(x, w) }", {"w": KERNEL})
    found = opened(model, tmp_path)
    assert [node.op_type for node in found.program.graph] == ["Conv", "Relu"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("g (float[1] x) => (float[1] y) { y = Add(x, z)  z = Neg(y) }", "cycle"),
        ("g (float[1] x) => (float[1] y) { z = Neg(x)  z = Abs(x)  y = Add(z, z) }", "redeclared"),
        ("g (float[1] x) => (float[1] y) { x = Neg(x)  y = Neg(x) }", "redeclared"),
        ("g (float[1] x) => (float[1] y) { y = Add(x, z) }", "reads 'z', which nothing makes"),
        ("g (float[1] x) => (float[1] y) { z = Neg(x) }", "the graph puts out 'y'"),
        (
            "g (float[1] x, bool c) => (float[1] y) { y = If (c) <then_branch = a () => (float[1] p) { p = Neg(z) },"
            " else_branch = b () => (float[1] q) { q = Neg(x) }> }",
            "reads 'z'",
        ),
        (
            "g (float[1,3,8,8] x, float[4,3,3,3] w) => (float[1,4,6,6] y) { y = Conv <group = 1.5> (x, w) }",
            "attribute 'group' of Conv '' is FLOAT",
        ),
    ],
)
def test_graphs_that_are_no_graphs_are_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        load(store(build(text), tmp_path))


def test_a_tensor_whose_data_and_shape_disagree_is_refused_when_read(tmp_path: Path) -> None:
    for size in (4, 64):  # small enough to be copied, large enough to stay in the file
        model = build("g (float[1, 3, 8, 8] x) => (float[1, M, H, W] y) { y = Conv(x, w) }")
        raw = noise(size, 3, 3, 3).tobytes()
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[size, 3, 5, 5], raw_data=raw)
        model.graph.initializer.append(tensor)
        (conv,) = convs(opened(model, tmp_path)).values()
        with pytest.raises(ModelError):
            conv.kernel()


@settings(max_examples=150)
@given(st.data())
def test_damaged_files_raise_nothing_but_our_errors(data: st.DataObject) -> None:
    model = build(
        """g (float[N, 3, 8, 8] x, bool c) => (float[N, 4] y) {
            a = Conv <pads = [1, 1, 1, 1], group = 1> (x, w, b)
            n = BatchNormalization(a, s, s, s, s)
            f = Flatten(n)
            y = If (c) <then_branch = p () => (float[N, 4] u) { u = Gemm(f, k) },
                        else_branch = q () => (float[N, 4] v) { v = Gemm(f, k) }>
        }""",
        {"w": noise(16, 3, 3, 3), "b": noise(16), "s": np.ones(16, np.float32), "k": noise(1024, 4)},
    )
    whole = bytearray(model.SerializeToString())
    weights = len(whole) - model.graph.initializer[3].ByteSize()
    for _ in range(data.draw(st.integers(1, 4))):
        # Nearly everything that can go wrong stands outside the payload of the one large tensor.
        place = data.draw(st.one_of(st.integers(0, weights), st.integers(0, len(whole) - 1)))
        whole[place] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole)))) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(whole)
        read_everything(path)


def read_everything(path: Path) -> None:
    """All that analysis asks of a graph, without running it."""
    try:
        file, program = graph.read(path)
        inputs, notices = graph.bind_inputs(program, str(path), {}, {}, {})
        shapes, dtypes = graph.infer(program, inputs)
        model = graph.Model(file, program, inputs, shapes, dtypes, notices)
        graph.measure_work(model)
        for conv in graph.find_convs(model):
            if conv.refusal is None:
                conv.kernel()
        graph.fold_batch_norm(model, set(convs(model)))
    except ConvprofError:
        return

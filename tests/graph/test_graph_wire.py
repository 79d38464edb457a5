"""The skeleton of a file says all that the file says, but where it stands instead of what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import Array, build, noise, store, tensors

from convprof.graph.wire import WireError, skeleton

HERE = "here"
CONV = "g (float[N, 64, 8, 8] x) => (float[N, M, H, W] y) { y = Conv(x, w) }"


def inlined(path: Path, skipped: bytes) -> onnx.ModelProto:
    """The model of a skeleton with its payloads put back."""
    model = onnx.ModelProto.FromString(skipped)
    data = path.read_bytes()
    for tensor in tensors(model):
        where = {entry.key: entry.value for entry in tensor.external_data}
        if where.get("location") != HERE:
            continue
        start = int(where["offset"])
        payload = data[start : start + int(where["length"])]
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        put_back(tensor, payload)
    return model


def put_back(tensor: TensorProto, payload: bytes) -> None:
    """In the field that it was taken from: the tests name the tensors after it."""
    if tensor.name.startswith("float_data"):
        tensor.float_data.extend(np.frombuffer(payload, "<f4").tolist())
    elif tensor.name.startswith("double_data"):
        tensor.double_data.extend(np.frombuffer(payload, "<f8").tolist())
    else:
        tensor.raw_data = payload


def test_a_model_comes_back_from_its_skeleton_byte_for_byte(tmp_path: Path) -> None:
    path = store(every_place(), tmp_path)
    bones = skeleton(path, HERE)
    assert len(bones) < path.stat().st_size / 8
    assert inlined(path, bones) == onnx.ModelProto.FromString(path.read_bytes())


def test_every_large_tensor_is_left_where_it_is(tmp_path: Path) -> None:
    path = store(every_place(), tmp_path)
    found = {tensor.name: tensor for tensor in tensors(onnx.ModelProto.FromString(skeleton(path, HERE)))}
    away = {name for name, tensor in found.items() if tensor.data_location == TensorProto.EXTERNAL}
    assert away == {"raw", "float_data", "double_data", "int64_raw", "in_constant", "in_branch", "in_function"}
    assert found["small"].raw_data == noise(4).tobytes()


def test_external_data_stay_external(tmp_path: Path) -> None:
    model = build(CONV, {"w": noise(64, 64, 3, 3)})
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert skeleton(path, HERE) == path.read_bytes()


def test_a_tensor_in_two_pieces_is_copied(tmp_path: Path) -> None:
    """Protobuf lets a field come twice; the last one counts, and only the parser need know."""
    first, second = noise(64, 64), noise(64, 64, seed=1)
    tensor = helper.make_tensor("w", TensorProto.FLOAT, first.shape, first.tobytes(), raw=True)
    twice = tensor.SerializeToString() + TensorProto(raw_data=second.tobytes()).SerializeToString()
    graph = b"\x2a" + length(twice) + twice
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x3a" + length(graph) + graph)
    (found,) = tensors(onnx.ModelProto.FromString(skeleton(path, HERE)))
    assert found.raw_data == second.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # a number that is missing
        b"\x3a\xff\xff\xff\xff\x0f",  # a length beyond the end
        b"\x0b",  # a group: ONNX has none
        b"\xff" * 11,  # a tag without an end
        b"\x02\x00",  # field number 0
    ],
)
def test_bytes_that_are_no_message_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(WireError):
        skeleton(path, HERE)


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    data = b"\x00" * 5000
    for _ in range(100):  # graph, node, attribute and again
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            data = tag + length(data) + data
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x3a" + length(data) + data)
    with pytest.raises(WireError, match="nested"):
        skeleton(path, HERE)


def test_a_model_larger_than_two_gigabytes_loads_without_its_weights(tmp_path: Path) -> None:
    """The file has a hole in the place of its weights; neither time nor memory may depend on it."""
    path = tmp_path / "large.onnx"
    rows, columns = 1 << 15, 17_000
    size = rows * columns * 4
    tensor = TensorProto(dims=[rows, columns], data_type=TensorProto.FLOAT, name="w").SerializeToString()
    tensor += b"\x4a" + length(size)
    rest = build(f"g (float[1, {rows}] x) => (float[1, {columns}] y) {{ y = MatMul(x, w) }}")
    fields = rest.graph.SerializeToString()
    graph_size = len(fields) + 1 + len(length(len(tensor) + size)) + len(tensor) + size
    rest.ClearField("graph")
    with path.open("wb") as file:
        file.write(rest.SerializeToString() + b"\x3a" + length(graph_size) + fields)
        file.write(b"\x2a" + length(len(tensor) + size) + tensor)
        file.truncate(file.tell() + size)
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom convprof.graph import measure_work\n"
        "from convprof.execution import load, settle\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "work = measure_work(settle(load(Path(sys.argv[1])), {}, {}, {}))\n"
        "print(work.macs, work.parameters, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)\n"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", script, path], cwd=root, capture_output=True, text=True, check=True)
    macs, parameters, kilobytes = map(int, ran.stdout.split())
    assert macs == parameters == rows * columns
    assert kilobytes < 100_000


def length(value: int | bytes) -> bytes:
    """A length as protobuf writes it."""
    number, out = value if isinstance(value, int) else len(value), bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def every_place() -> onnx.ModelProto:
    """A large tensor in every place and field that can hold one."""
    model = build(
        """g (float[1, 4] x, bool c) => (float[1, 4] y) {
            y = If (c) <then_branch = a () => (float[1, 4] p) { p = Identity(x) },
                        else_branch = b () => (float[1, 4] q) { q = local.f(x) }>
        }
        <domain: "local", opset_import: ["": 17]> f (i) => (o) { o = Identity(i) }"""
    )
    values = noise(40, 40)

    def raw(name: str, array: Array) -> TensorProto:
        return onnx.numpy_helper.from_array(array, name)

    doubles = values.astype(np.float64)
    model.graph.initializer.extend(
        [
            raw("raw", values),
            raw("small", noise(4)),
            raw("int64_raw", np.arange(4000)),
            helper.make_tensor("float_data", TensorProto.FLOAT, values.shape, values.ravel().tolist()),
            helper.make_tensor("double_data", TensorProto.DOUBLE, doubles.shape, doubles.ravel().tolist()),
            helper.make_tensor("int64_data", TensorProto.INT64, [4000], list(range(4000))),
        ]
    )
    model.graph.node.append(helper.make_node("Constant", [], ["k"], value=raw("in_constant", values)))
    model.graph.node[0].attribute[0].g.initializer.append(raw("in_branch", values))
    model.functions[0].node.append(helper.make_node("Constant", [], ["l"], value=raw("in_function", values)))
    return model

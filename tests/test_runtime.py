from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from convprof.errors import ModelError, UsageError
from convprof.records.analysis import TensorSpec
from convprof.records.probes import KernelTimes
from convprof.runtime import (
    RunOptions,
    environment,
    layer_times,
    library,
    node_layers,
    open_session,
    probe,
    profile_nodes,
)
from convprof.runtime.options import ENTRIES, GRAPH_OPTIMIZATIONS, session_options
from convprof.runtime.sessions import open_inference

HEAD = '<ir_version: 9, opset_import: ["": 17]>'


def model(text: str) -> bytes:
    return bytes(parser.parse_model(f"{HEAD} {text}").SerializeToString())


ADD = model("g (float[N, 3] x, int64[1] k) => (float[N, 3] y, int64[1] j) { y = Add(x, x) j = Add(k, k) }")


def conv_relu_conv(names: tuple[str, str], channels: int = 16) -> onnx.ModelProto:
    """X -> Conv -> Relu -> Conv -> y, as ORT fuses and blocks it."""
    weights = [
        numpy_helper.from_array(np.full((channels, channels, 3, 3), 0.01, np.float32), name) for name in ("w0", "w1")
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["t0"], name=names[0], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["t0"], ["t1"], name="activation"),
        helper.make_node("Conv", ["t1", "w1"], ["y"], name=names[1], pads=[1, 1, 1, 1]),
    ]
    shape = [1, channels, 24, 24]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_session_knows_its_inputs_and_outputs_and_runs() -> None:
    session = open_session(ADD)
    assert session.inputs == (TensorSpec("x", "float32", (None, 3)), TensorSpec("k", "int64", (1,)))
    assert session.outputs == ("y", "j")
    values = session.run({"x": np.ones((2, 3), np.float32), "k": np.array([4])})
    assert values["y"].tolist() == [[2, 2, 2]] * 2
    assert values["j"].tolist() == [8]


def test_external_data_is_found_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save_model(conv_relu_conv(("a", "b")), path, save_as_external_data=True, location="net.bin", size_threshold=0)
    assert (tmp_path / "net.bin").exists()
    assert open_session(path).run({"x": np.ones((1, 16, 24, 24), np.float32)})["y"].shape == (1, 16, 24, 24)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"no model", "protobuf parsing failed"),
        (Path("/nowhere/net.onnx"), "/nowhere/net.onnx"),
        (model("g (float[1] x) => (float[1] y) { y = Nonsense(x) }"), "Nonsense"),
    ],
)
def test_what_cannot_be_opened_is_named_with_the_reason(
    source: bytes | Path, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        open_session(source, what=None if isinstance(source, Path) else "net.onnx")
    assert caught.value.what.endswith("net.onnx")
    assert "ONNXRuntimeError" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("feeds", "why"),
    [
        ({}, "missing"),
        ({"x": np.ones((2, 3)), "k": np.array([4])}, "data type"),
        ({"x": np.ones((2, 4), np.float32), "k": np.array([4])}, "dimensions"),
    ],
)
def test_feeds_that_do_not_fit_are_refused(
    feeds: dict[str, np.ndarray], why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    session = open_session(ADD, what="net.onnx")
    with pytest.raises(ModelError, match=why) as caught:
        session.run(feeds)
    assert caught.value.what == "net.onnx"
    assert capfd.readouterr() == ("", "")


def test_an_output_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'s' is a seq\(tensor\(float\)\), not a tensor"):
        open_session(model("g (float[1] x) => (seq(float[1]) s) { s = SequenceConstruct(x) }"))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (RunOptions(providers=("NoSuchProvider",)), "available are: .*CPUExecutionProvider"),
        (RunOptions(threads=0), "0 threads"),
        (RunOptions(inter_op_threads=0), "0 threads"),
        (RunOptions(graph_optimization="most"), "disable, basic, extended, all"),
        (RunOptions(session_options=("spin",)), "write KEY=VALUE"),
        (RunOptions(session_options=("=1",)), "write KEY=VALUE"),
        (RunOptions(session_options=("session.spin=1",)), "possible are .*session.intra_op.allow_spinning"),
        (RunOptions(session_options=("session.collect_node_memory_stats_to_file=x",)), "cannot be set"),
        (RunOptions(session_options=("session.intra_op.allow_spinning=maybe",)), "possible is 0 or 1"),
        (RunOptions(session_options=("session.intra_op.allow_spinning=",)), "possible is 0 or 1"),
        (RunOptions(session_options=("session.dynamic_block_base=0",)), "above 0"),
        (RunOptions(session_options=("session.x64quantprecision=1",) * 2), "given twice"),
    ],
)
def test_options_that_cannot_be_had_are_refused(options: RunOptions, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        open_session(ADD, options)


def test_a_provider_that_silently_does_not_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu = open_session(ADD)._inference
    monkeypatch.setattr(library.ort(), "get_available_providers", lambda: ["Broken", "CPUExecutionProvider"])
    monkeypatch.setattr(library.ort(), "InferenceSession", lambda *_, **__: on_cpu)
    with pytest.raises(UsageError, match="Broken did not start"):
        open_session(ADD, RunOptions(providers=("Broken",)))


def test_the_environment_says_where_it_ran() -> None:
    found = environment(RunOptions(threads=2))
    assert found.threads == 2
    assert found.providers == ("CPUExecutionProvider",)
    assert found.numpy == np.__version__
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert all((found.cpu, found.os, found.python, found.onnxruntime, found.convprof))


def test_the_environment_says_how_it_was_run() -> None:
    asked = ("session.x64quantprecision=1", " session.intra_op.allow_spinning = 0")
    found = environment(RunOptions(threads=2, inter_op_threads=3, graph_optimization="basic", session_options=asked))
    assert (found.inter_op_threads, found.graph_optimization) == (3, "basic")
    assert list(found.session_options.items()) == [
        ("session.intra_op.allow_spinning", "0"),
        ("session.x64quantprecision", "1"),
    ]


def test_how_to_run_reaches_onnxruntime() -> None:
    asked = RunOptions(
        threads=2,
        inter_op_threads=3,
        graph_optimization="basic",
        session_options=("session.intra_op.allow_spinning=0", "session.force_spinning_stop=0"),
    )
    made: Any = session_options(asked)
    assert (made.intra_op_num_threads, made.inter_op_num_threads) == (2, 3)
    assert str(made.execution_mode) == "ExecutionMode.ORT_PARALLEL"
    assert str(made.graph_optimization_level) == "GraphOptimizationLevel.ORT_ENABLE_BASIC"
    kept = made.get_session_config_entry
    assert [kept("session.intra_op.allow_spinning"), kept("session.force_spinning_stop")] == ["0", "0"]
    usual = session_options(RunOptions())
    assert str(usual.execution_mode) == "ExecutionMode.ORT_SEQUENTIAL"
    assert str(usual.graph_optimization_level) == "GraphOptimizationLevel.ORT_ENABLE_ALL"


def test_less_optimisation_leaves_more_nodes(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save_model(conv_relu_conv(("first", "second")), path)
    feeds = {"x": np.ones((1, 16, 24, 24), np.float32)}
    nodes = {
        level: len(profile_nodes(path, feeds, RunOptions(graph_optimization=level), runs=1))
        for level in GRAPH_OPTIMIZATIONS
    }
    assert nodes["disable"] == 3
    assert nodes["extended"] == 2


def test_every_session_option_on_offer_is_one_of_the_library() -> None:
    """It takes any, and does nothing for those that it does not know."""
    (package,) = importlib.import_module("onnxruntime").__path__
    libraries = [path for path in Path(package, "capi").iterdir() if path.suffix in (".so", ".pyd", ".dylib")]
    binary = b"".join(path.read_bytes() for path in libraries)
    missing = {key for key in ENTRIES if key.encode() not in binary}
    assert missing <= {"mlas.enable_gemm_fastmath_arm64_bfloat16"}  # there on ARM only


def test_telemetry_is_off_unless_the_user_says_otherwise() -> None:
    program = "import os, convprof.runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environments = [{k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}]
    environments.append(environments[0] | {"ORT_DISABLE_TELEMETRY": "0"})
    printed = [
        subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout
        for env in environments
    ]
    assert printed == ["1\n", "0\n"]


@pytest.mark.parametrize("channels", [16, 5])
def test_the_times_of_fused_nodes_come_back_to_their_layers(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "net.onnx"
    onnx.save_model(conv_relu_conv(("first", "second"), channels), path)
    nodes = profile_nodes(path, {"x": np.ones((1, channels, 24, 24), np.float32)}, RunOptions(), runs=3)
    layers = layer_times(nodes, ["first", "second"], {"t0": "first", "t1": "first", "y": "second"})
    assert layers["first"] > 0
    assert layers["second"] > 0
    assert sum(layers.values()) == pytest.approx(sum(node.ms[0] for node in nodes))
    assert list(tmp_path.iterdir()) == [path]


def test_the_times_of_a_branch_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    text = """g (float[64] x, bool c) => (float[64] y)
    { y = If (c) <then_branch = a () => (float[64] t) { [inside] t = Exp(x) },
                  else_branch = b () => (float[64] e) { e = Identity(x) }> }"""
    path.write_bytes(model(text))
    nodes = profile_nodes(path, {"x": np.ones(64, np.float32), "c": np.array(True)}, RunOptions(), runs=1)
    assert [node.name for node in nodes] == ["inside"]


def test_a_profile_needs_a_run() -> None:
    with pytest.raises(UsageError, match="0 runs"):
        profile_nodes(Path("net.onnx"), {}, RunOptions(), runs=0)


def event(name: str, microseconds: int, op: str = "Conv", **more: object) -> dict[str, object]:
    args = {"op_name": op, "provider": "CPUExecutionProvider", **more}
    return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds, "args": args}


END = {"cat": "Session", "name": "model_run", "dur": 9}


def test_times_are_over_runs_of_the_sums_within_a_run() -> None:
    before = {"cat": "Node", "name": "a_fence_before", "dur": 7, "args": {"op_name": "Conv"}}
    warm = [event("a", 999_000), END]
    trace = [*warm, before, event("a", 1000), event("a", 500), END, event("a", 3000), event("b", 300), END]
    assert {node["name"]: node["ms"] for node in probe.nodes_of(trace, skipped=1)} == {"a": [1.5], "b": [0.0]}


def test_the_slower_half_of_the_runs_does_not_count() -> None:
    trace = [each for time in (4, 5, 1, 5, 9000) for each in (event("a", time), END)]
    assert probe.nodes_of(trace, skipped=0)[0]["ms"] == [pytest.approx(10 / 3 / 1000)]


@pytest.mark.parametrize(("seconds", "runs"), [(1e-6, 40), (0.01, 12), (0.05, 6), (0.3, 3), (10.0, 2)])
def test_slow_models_run_less_often(seconds: float, runs: int) -> None:
    assert probe._runs_of(probe.Effort(), seconds) == runs


def test_rounds_end_with_the_time_but_not_before_the_least(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(ADD)
    clock = iter(range(10_000))
    visits: list[tuple[int, int]] = []
    times = probe.measure(
        [("m", tmp_path / "m.onnx"), ("again", tmp_path / "m.onnx")],
        {"x": np.ones((1, 3), np.float32), "k": np.array([4])},
        lambda path, trace: open_inference(path, RunOptions(), session_options(RunOptions(), trace), "m"),
        probe.Effort(rounds=9, least=3, seconds=1, fewest=1),
        seed=0,
        timer=lambda: float(next(clock)),
        progress=lambda done, total: visits.append((done, total)),
    )
    assert visits == [(done, 18) for done in range(1, 7)]
    assert [entry["label"] for entry in times] == ["m", "again"]
    assert all(entry["end_to_end"] == [1000.0] * 3 for entry in times)
    assert all(len(node["ms"]) == 3 for entry in times for node in entry["nodes"])


def test_nodes_keep_the_order_of_the_run_and_the_shapes_that_they_move() -> None:
    moved = {"input_type_shape": [{"float": [1, 8]}, {"int64": [2]}], "output_type_shape": [{"float": [8]}]}
    nodes = probe.nodes_of([event("b", 1, "Reshape", **moved), event("a", 2), END], skipped=0)
    assert [node["name"] for node in nodes] == ["b", "a"]
    assert (nodes[0]["op"], nodes[0]["reads"], nodes[0]["writes"]) == ("Reshape", [[1, 8], [2]], [[8]])
    assert (nodes[1]["reads"], nodes[1]["provider"]) == ([], "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("/a/Conv", "/a/Conv"),
        ("/a/Conv_nchwc", "/a/Conv"),
        ("/a/Conv_output_0_nchwc", "/a/Conv"),
        ("/a/Conv_token_3", "/a/Conv"),
        ("/a/Conv/convprof/0/depthwise", "/a/Conv"),
        ("/a/Conv/convprof/add_out_nchwc", "/a/Conv"),
        ("/a/Conv/convprof/0/pointwise_output_0_nchwc", "/a/Conv/convprof/0/pointwise"),
        ("/a/Relu_output_0_nchwc", "/a/Conv"),
        ("/a/Conv_1_nchwc", "/a/Conv_1"),
        ("/a/Conv_2_nchwc", ""),
        ("/a/Conv_transposed", ""),
        ("/a/Convolution", ""),
        ("ReorderOutput_token_3", ""),
        ("", ""),
    ],
)
def test_a_node_belongs_to_the_layer_it_came_from(node: str, layer: str) -> None:
    layers = ["/a/Conv", "/a/Conv_1", "/a/Conv/convprof/0/pointwise", ""]
    times = layer_times([kernel(node)], layers, {"/a/Relu_output_0": "/a/Conv"})
    assert times == dict.fromkeys(layers, 0.0) | {layer: 2.0}


def kernel(name: str, op: str = "Conv", reads: tuple[int, ...] = (), writes: tuple[int, ...] = ()) -> KernelTimes:
    return KernelTimes(name, op, "CPUExecutionProvider", (reads,), (writes,), (2.0,))


NARROW, WIDE = (1, 8, 4, 4), (1, 16, 4, 4)


@pytest.mark.parametrize(
    ("nodes", "layers"),
    [
        # A reorder serves the one that wrote what it reads, however many lie between.
        (
            [kernel("a", "Conv", WIDE, NARROW), kernel("b", "Conv", WIDE, WIDE), kernel("r", "ReorderOutput", NARROW)],
            ["a", "b", "a"],
        ),
        ([kernel("b", "Conv", WIDE, WIDE), kernel("r", "ReorderOutput", NARROW)], ["b", None]),
        # The other way round it serves the one that will read what it writes.
        (
            [kernel("r", "ReorderInput", NARROW, NARROW), kernel("b", "Conv", WIDE), kernel("a", "Conv", NARROW)],
            ["a", "b", "a"],
        ),
        ([kernel("a", "Conv", NARROW, NARROW), kernel("r", "ReorderInput", NARROW, NARROW)], ["a", None]),
        # A pool is known to be no conv's, and so is what only serves it.
        ([kernel("pool", "MaxPool", WIDE, NARROW), kernel("r", "ReorderOutput", NARROW)], ["", ""]),
        # Two in a row look past each other.
        (
            [kernel("a", "Conv", WIDE, WIDE), kernel("r", "ReorderOutput", WIDE, WIDE), kernel("s", "Transpose", WIDE)],
            ["a", "a", "a"],
        ),
        ([kernel("t", "Transpose", NARROW, WIDE), kernel("a", "Conv", WIDE)], ["a", "a"]),
        # One node for the whole graph, as some providers have it, is nobody's.
        ([kernel("whole_graph_0", "Engine", WIDE, NARROW)], [None]),
    ],
)
def test_what_the_runtime_puts_in_serves_its_neighbour(nodes: list[KernelTimes], layers: list[str | None]) -> None:
    assert node_layers(nodes, ["a", "b"], {"pool": ""}) == layers


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("CPUExecutionProvider", "CPUExecutionProvider", {}),
        ("X:device_id=0", "X", {"device_id": "0"}),
        ("X:a=1, path=C:/x=y", "X", {"a": "1", "path": "C:/x=y"}),
        ("X:a=", "X", {"a": ""}),
    ],
)
def test_providers_with_their_options(text: str, name: str, options: dict[str, str]) -> None:
    assert probe.read_provider(text) == (name, options)


@pytest.mark.parametrize("text", ["", ":a=1", "X:", "X:a", "X:=1", "X:a=1,", "X Y"])
def test_what_is_no_provider(text: str) -> None:
    with pytest.raises(UsageError, match="device_id=0"):
        open_session(ADD, RunOptions(providers=(text,)))
    with pytest.raises(ValueError, match="NAME:KEY=VALUE"):
        probe.read_provider(text)


def test_options_reach_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    load: Callable[..., object] = library.ort().InferenceSession

    def watched(*arguments: object, providers: object) -> object:
        seen.append(providers)
        return load(*arguments, providers=providers)

    monkeypatch.setattr(library.ort(), "InferenceSession", watched)
    open_session(ADD, RunOptions(providers=("CPUExecutionProvider:arena_extend_strategy=kSameAsRequested",)))
    assert seen == [[("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})]]

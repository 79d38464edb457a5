"""A graph as a torch module: loaded, trained, moved, copied, and saved into the same graph."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from fvcore.nn.flop_count import FlopCountAnalysis
from onnx import numpy_helper
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch_models import NORMALISED, assert_like_the_runtime, initializers, noise, normalised, outputs_of, write

import convprof
from convprof.errors import ModelError, OutputError, UsageError
from convprof.execution import load as read
from convprof.execution import settle
from convprof.torch import Module, from_model, load, save

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_models"
X = noise(2, 3, 8, 8, seed=9)
CONV = {"w": noise(4, 3, 3, 3), "b": noise(4)}


def trained(module: Module, steps: int = 2) -> Module:
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        module(torch.from_numpy(X)).square().mean().backward()
        optimizer.step()
    return module


def assert_equal(first: Module, second: Module) -> None:
    np.testing.assert_array_equal(outputs_of(first, X)[0], outputs_of(second, X)[0])


@pytest.mark.parametrize(("name", "shape"), [("digits_vgg", (2, 1, 32, 32)), ("denoiser", (2, 1, 20, 24))])
def test_the_samples_compute_what_the_runtime_does(name: str, shape: tuple[int, ...]) -> None:
    assert_like_the_runtime(SAMPLES / f"{name}.onnx", noise(*shape))


@pytest.mark.parametrize("name", ["digits_vgg", "denoiser"])
def test_saved_untouched_every_weight_has_the_same_bytes(name: str, tmp_path: Path) -> None:
    source = SAMPLES / f"{name}.onnx"
    save(load(source), tmp_path / "again.onnx")
    assert initializers(tmp_path / "again.onnx") == initializers(source)
    before, after = onnx.load(source), onnx.load(tmp_path / "again.onnx")
    assert list(after.graph.node) == list(before.graph.node)
    assert list(after.graph.input) == list(before.graph.input)
    assert {prop.key: prop.value for prop in after.metadata_props} == {p.key: p.value for p in before.metadata_props}


def test_training_changes_weights_and_statistics_and_saving_keeps_what_was_learnt(tmp_path: Path) -> None:
    source = normalised(tmp_path)
    module = trained(load(source))
    save(module, tmp_path / "tuned.onnx")

    before, after = initializers(source), initializers(tmp_path / "tuned.onnx")
    assert {name for name in before if before[name] == after[name]} <= {"body.0.bias"}  # the normalisation undoes it
    assert_equal(load(tmp_path / "tuned.onnx"), module)
    assert_like_the_runtime(tmp_path / "tuned.onnx", X)


def test_only_what_is_trainable_changes(tmp_path: Path) -> None:
    source = normalised(tmp_path)
    module = load(source).freeze_statistics()
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    trained(module)
    save(module, tmp_path / "tuned.onnx")
    before, after = initializers(source), initializers(tmp_path / "tuned.onnx")
    assert {name for name in before if before[name] != after[name]} == {"head.weight", "head.bias"}


def test_weights_have_the_names_that_torch_gave_them(tmp_path: Path) -> None:
    module = load(normalised(tmp_path))
    assert dict(module.names) == {name: name for name in NORMALISED}
    assert set(module.state_dict()) == set(NORMALISED)
    assert {name for name, _ in module.named_buffers()} == {"body.1.running_mean", "body.1.running_var"}


@pytest.mark.parametrize(
    "names",
    [
        ("forward", "training"),
        ("a", "a.b"),
        ("a.b.c", "a.b"),
        ("a..b", "."),
        ("/conv/weight", "/conv/bias"),
        ("gewicht.größe", "重み"),
        ("onnx::Conv_1", "a b\n<b>"),
        ("names", "network"),
        ("." * 5000, "x" * 5000),
        ("a_b", "a.forward.b"),
    ],
)
def test_any_name_finds_a_place_and_goes_back(names: tuple[str, str], tmp_path: Path) -> None:
    path = write(tmp_path, "y = Conv(x, w, b)", CONV)
    model = onnx.load(path)
    for tensor, name in zip(model.graph.initializer, names, strict=True):
        tensor.name = name
    model.graph.node[0].input[1:] = names
    path.write_bytes(model.SerializeToString())

    module = load(path)
    assert set(module.names.values()) == set(names)
    assert set(module.names) == set(module.state_dict())
    trained(module)
    save(module, tmp_path / "tuned.onnx")
    assert set(initializers(tmp_path / "tuned.onnx")) == set(names)
    assert pickle.loads(pickle.dumps(module)).names == module.names


def test_normalisation_uses_the_batch_in_training_and_follows_it_with_the_momentum_of_onnx(tmp_path: Path) -> None:
    module = load(normalised(tmp_path, momentum=0.75))
    feeds, names = {"x": torch.from_numpy(X)}, ("t", "n")
    values = module.run(feeds, names)
    t = values["t"]
    scale, bias = module.get_parameter("body.1.weight"), module.get_parameter("body.1.bias")
    torch.testing.assert_close(values["n"], functional.batch_norm(t, None, None, scale, bias, True, 0.0, 1e-5))
    variance, mean = torch.var_mean(t, (0, 2, 3), correction=0)
    old_mean, old_variance = (torch.from_numpy(NORMALISED[f"body.1.running_{name}"]) for name in ("mean", "var"))
    torch.testing.assert_close(module.get_buffer("body.1.running_mean"), old_mean * 0.75 + mean * 0.25)
    torch.testing.assert_close(module.get_buffer("body.1.running_var"), old_variance * 0.75 + variance * 0.25)


def test_frozen_statistics_stay_and_are_used(tmp_path: Path) -> None:
    path = normalised(tmp_path)
    module = load(path).freeze_statistics()
    assert module.training
    found = module(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_array_equal(found, outputs_of(load(path), X)[0])
    assert module.weights()["body.1.running_mean"].tobytes() == NORMALISED["body.1.running_mean"].tobytes()
    module.freeze_statistics(False)
    assert not np.allclose(module(torch.from_numpy(X)).detach().numpy(), found)


def test_a_constant_that_several_nodes_read_is_one_parameter(tmp_path: Path) -> None:
    weights = {"w": noise(3, 3, 1, 1), "b": noise(3)}
    source = write(tmp_path, "t = Conv(x, w, b)  y = Conv(t, w, b)", weights)
    module = load(source)
    assert len(list(module.parameters())) == 2
    trained(module)
    save(module, tmp_path / "tuned.onnx")
    assert len(onnx.load(tmp_path / "tuned.onnx").graph.initializer) == 2
    assert_like_the_runtime(tmp_path / "tuned.onnx", X)


def test_weights_in_constant_nodes_and_behind_transpositions_train_and_go_back(tmp_path: Path) -> None:
    body = "t = Flatten(x)  k = Transpose(w)  z = MatMul(t, k)  y = Add(z, b)"
    model = onnx.load(write(tmp_path, body, {"w": noise(5, 192)}, outputs="float[N, 5] y"))
    constant = onnx.helper.make_node("Constant", [], ["b"], value=numpy_helper.from_array(noise(5), "value"))
    model.graph.node.insert(0, constant)
    source = tmp_path / "constants.onnx"
    source.write_bytes(model.SerializeToString())
    module = load(source)
    assert set(module.state_dict()) == {"w", "b"}
    trained(module)
    save(module, tmp_path / "tuned.onnx")
    assert_equal(load(tmp_path / "tuned.onnx"), module)
    node = next(node for node in onnx.load(tmp_path / "tuned.onnx").graph.node if node.op_type == "Constant")
    assert numpy_helper.to_array(node.attribute[0].t).tobytes() == module.weights()["b"].tobytes()


def test_numbers_and_what_comes_before_the_first_weight_do_not_train(tmp_path: Path) -> None:
    body = "s = Sub(x, mean)  t = Conv(s, w, b)  u = Mul(t, half)  z = Add(u, shift)  y = Mul(z, grid)"
    weights = CONV | {
        "mean": noise(1, 3, 1, 1),
        "half": np.array([0.5], np.float32),
        "shift": noise(4, 1, 1),
        "grid": noise(1, 1, 6, 6),
    }
    assert set(load(write(tmp_path, body, weights)).state_dict()) == {"w", "b", "shift"}


def test_values_between_are_there_by_name_and_a_part_runs_alone(tmp_path: Path) -> None:
    module = load(normalised(tmp_path)).eval()
    x = torch.from_numpy(X)
    values = module(x, outputs=("r", "y"))
    assert set(values) == {"r", "y"}
    torch.testing.assert_close(values["y"], module(x=x))
    torch.testing.assert_close(module.run({"r": values["r"]}, ["y"])["y"], values["y"])
    with pytest.raises(ModelError, match="nothing here makes 'x'"):
        module.run({"y": x}, ["r"])
    with pytest.raises(ModelError, match="nothing here makes 'lost'"):
        module(x, outputs=["lost"])


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    inputs, outputs = "float[N, 3, 8, 8] x, float[4, 1, 1] g", "float[a, b, c, d] z, float[a, b, c, d] y"
    path = write(tmp_path, "y = Conv(x, w, b)  z = Mul(y, g)", CONV, inputs=inputs, outputs=outputs)
    module = load(path)
    x, g = torch.from_numpy(X), torch.ones(4, 1, 1)
    made = module(x, g)
    assert isinstance(made, tuple)
    torch.testing.assert_close(made[0], made[1])
    torch.testing.assert_close(module(g=g, x=x), made)
    with pytest.raises(UsageError, match="3 inputs for a graph that has 2"):
        module(x, g, g)
    with pytest.raises(ModelError, match="'g'"):
        module(x)


def test_copies_are_apart_and_checkpoints_restore(tmp_path: Path) -> None:
    module = load(normalised(tmp_path))
    start = {name: value.clone() for name, value in module.state_dict().items()}
    twin, thawed = copy.deepcopy(module), pickle.loads(pickle.dumps(module))
    trained(module)
    for other in (twin, thawed):
        assert all(torch.equal(value, start[name]) for name, value in other.state_dict().items())
        assert not np.array_equal(outputs_of(other, X)[0], outputs_of(module, X)[0])
    twin.load_state_dict(module.state_dict())
    assert_equal(twin, module)
    save(thawed, tmp_path / "thawed.onnx")
    assert initializers(tmp_path / "thawed.onnx") == initializers(tmp_path / "normalised.onnx")


def test_a_module_outlives_its_file(tmp_path: Path) -> None:
    path = normalised(tmp_path)
    module = load(path)
    before = initializers(path)
    path.unlink()
    save(module, tmp_path / "back.onnx")
    assert initializers(tmp_path / "back.onnx") == before


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_moved_to_another_type_it_runs_there_and_is_saved_in_its_own(dtype: torch.dtype, tmp_path: Path) -> None:
    source = normalised(tmp_path)
    module = load(source).to(dtype).eval()
    with torch.no_grad():
        y = module(torch.from_numpy(X).to(dtype))
    assert y.dtype == dtype
    np.testing.assert_allclose(y.float().numpy(), outputs_of(load(source), X)[0], rtol=0.05, atol=0.05)
    save(module, tmp_path / "saved.onnx")
    assert {tensor.data_type for tensor in onnx.load(tmp_path / "saved.onnx").graph.initializer} == {1}


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_a_model_of_another_type_keeps_it(dtype: str, tmp_path: Path) -> None:
    path = normalised(tmp_path)
    program = ir.load(path)
    kind = ir.DataType[{"float16": "FLOAT16", "float64": "DOUBLE", "bfloat16": "BFLOAT16"}[dtype]]
    for value in program.graph.initializers.values():
        assert value.const_value is not None
        value.const_value = ir.Tensor(value.const_value.numpy().astype(kind.numpy()), dtype=kind, name=value.name)
        value.type = ir.TensorType(kind)
    for value in (*program.graph.inputs, *program.graph.outputs):
        value.type = ir.TensorType(kind)
    source = tmp_path / "typed.onnx"
    ir.save(program, source)

    module = load(source).eval()
    x = torch.from_numpy(X).to(getattr(torch, dtype))
    assert module(x).dtype == x.dtype
    save(module, tmp_path / "again.onnx")
    assert initializers(tmp_path / "again.onnx") == initializers(source)


def test_mixed_precision_trains(tmp_path: Path) -> None:
    module = load(normalised(tmp_path))
    with torch.autocast("cpu", torch.bfloat16):
        loss = module(torch.from_numpy(X)).float().square().mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_channels_last_computes_the_same(tmp_path: Path) -> None:
    path = normalised(tmp_path)
    move: Callable[..., Module] = load(path).to  # torch's stubs do not know of memory_format
    module = move(memory_format=torch.channels_last).eval()
    x = torch.from_numpy(X).to(memory_format=torch.channels_last)
    np.testing.assert_allclose(module(x).detach().numpy(), outputs_of(load(path), X)[0], atol=1e-6)


def test_training_is_compiled_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    compiler = torch.compile

    def compiled(run: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        made.append(run)
        return compiler(run, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", compiled)
    path = normalised(tmp_path)
    x = torch.from_numpy(X)
    module, plain = load(path).compile_training(), load(path)
    np.testing.assert_array_equal(module.eval()(x).detach(), plain.eval()(x).detach())
    assert not made
    for each in (module.train(), plain.train()):
        each(x).square().sum().backward()
        each(x)
    assert len(made) == 1
    for ours, theirs in zip(module.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(list(module.buffers()), list(plain.buffers()))
    module(x[:1])
    assert len(made) == 2
    module.compile_training(False)(x[:1].repeat(3, *[1] * (x.ndim - 1)))
    assert len(made) == 2


def test_what_was_made_without_gradients_serves_with_them(tmp_path: Path) -> None:
    body = "s = Shape(x)  t = Conv(x, w, b)  o = ConstantOfShape(s)  p = Conv(o, w, b)  y = Add(t, p)"
    path = write(tmp_path, body, CONV)
    module = load(path)
    x = torch.from_numpy(X)
    with torch.inference_mode():
        module(x)
    module(x).sum().backward()
    assert module.get_parameter("w").grad is not None


def test_shape_arithmetic_follows_the_shape(tmp_path: Path) -> None:
    body = """s = Shape(x)  zero = Constant <value_int = 0> ()  c = Gather(s, zero)
        axes = Constant <value_ints = [0]> ()  n = Unsqueeze(c, axes)
        rest = Constant <value_ints = [-1]> ()  to = Concat <axis = 0> (n, rest)  t = Conv(x, w, b)
        y = Reshape(t, to)"""
    module = load(write(tmp_path, body, CONV, outputs="float[a, b] y"))
    assert [tuple(module(torch.zeros(n, 3, 8, size)).shape) for n, size in ((1, 8), (5, 8), (2, 10))] == [
        (1, 144),
        (5, 144),
        (2, 192),
    ]


def test_a_branch_is_taken_by_what_the_shape_says(tmp_path: Path) -> None:
    body = """s = Size(x)  limit = Constant <value_int = 400> ()  big = Greater(s, limit)
        y = If(big) <then_branch = g () => (float[a, b, c, d] p) { p = Conv(x, w, b) },
                     else_branch = h () => (float[a, b, c, d] q) { q = Neg(x) }>"""
    module = load(write(tmp_path, body, CONV))
    assert module(torch.zeros(4, 3, 8, 8)).shape == (4, 4, 6, 6)
    assert module(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_an_operator_that_is_not_there_is_named_with_its_count_and_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path, "t = Nonsense(x)  u = Nonsense(t)  v = Unique(u)  y = Conv(v, w, b)", CONV)
    with pytest.raises(ModelError, match=r"Nonsense \(2\), Unique \(1\).*closed-form"):
        load(path)


def test_a_shape_that_depends_on_values_is_refused_by_name(tmp_path: Path) -> None:
    body = "t = Conv(x, w, b)  i = Cast <to = 7> (t)  f = Flatten <axis = 0> (i)  o = Squeeze(f)  y = Reshape(t, o)"
    path = write(tmp_path, body, CONV)
    with pytest.raises(ModelError, match=r"Reshape .* depends on the values"):
        load(path)(torch.from_numpy(X))


def test_save_refuses_what_does_not_fit(tmp_path: Path) -> None:
    source = normalised(tmp_path)
    module = load(source)
    with pytest.raises(OutputError, match="model being read"):
        save(module, source)
    grown = copy.deepcopy(module)
    grown.get_submodule("head").weight = nn.Parameter(torch.zeros(6, 4))
    with pytest.raises(ModelError, match=r"'head.weight'.*does not fit"):
        save(grown, tmp_path / "out.onnx")
    with pytest.raises(OutputError):
        save(module, tmp_path / "lost" / "out.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["normalised.onnx"]


def test_an_open_model_becomes_a_module_and_stays_as_it_is(tmp_path: Path) -> None:
    source = normalised(tmp_path)
    model = settle(read(source), {"x": (2, 3, 8, 8)}, {}, {})
    trained(from_model(model))
    assert_equal(from_model(model), load(source))


def test_weights_may_be_computed_from_others(tmp_path: Path) -> None:
    """A parametrisation of torch's: the graph gets what it computes."""

    class Doubled(nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return 2 * weight

    module = load(normalised(tmp_path))
    nn.utils.parametrize.register_parametrization(module.get_submodule("head"), "weight", Doubled())
    trained(module)
    save(module, tmp_path / "out.onnx")
    assert_equal(load(tmp_path / "out.onnx"), module)


def test_torch_compile_takes_it_whole(tmp_path: Path) -> None:
    module = load(normalised(tmp_path)).eval()
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    for count in (2, 3, 4):
        x = torch.from_numpy(noise(count, 3, 8, 8))
        torch.testing.assert_close(compiled(x), module(x))


def test_data_parallel_processes_train_it(tmp_path: Path) -> None:
    """One process stands for all: that it can be wrapped, and that gradients go through the wrapping."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        module, x = load(normalised(tmp_path)), torch.from_numpy(X)
        wrapped = DistributedDataParallel(module)
        wrapped(x).sum().backward()
        assert wrapped(x, outputs=["r"])["r"].shape == (2, 4, 8, 8)
    finally:
        distributed.destroy_process_group()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_without_torch_the_error_says_what_to_install() -> None:
    script = "import sys; sys.modules['torch'] = None\nimport convprof\ntry: convprof.torch\n"
    script += "except convprof.ConvprofError as error: print(isinstance(error, ImportError), error)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", script], check=True, env=environment, capture_output=True, text=True)
    assert ran.stdout == "True convprof.torch: torch is not installed (pip install 'convprof[tune]')\n"
    assert isinstance(convprof.torch.Module, type)


def test_the_tools_of_others_take_it(tmp_path: Path) -> None:
    """Functional calls, torch.export, and fvcore, which traces it and counts what convprof counts."""
    path = normalised(tmp_path)
    module, x = load(path).eval(), torch.from_numpy(X[:1])
    doubled = torch.func.functional_call(module, {"head.bias": 2 * module.get_parameter("head.bias")}, (x,))
    torch.testing.assert_close(doubled, module(x) + module.get_parameter("head.bias"))
    torch.testing.assert_close(torch.export.export(load(path).eval(), (x,)).module()(x), module(x))
    counted = FlopCountAnalysis(load(path).eval(), x).unsupported_ops_warnings(False).by_operator()
    assert counted["conv"] + counted["addmm"] == convprof.analyze(path, max_rank=0).totals.macs

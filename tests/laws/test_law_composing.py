"""A chain run as the one conv that it equals: the same values and the same gradients, for every form and emission."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
import sites
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sites import Case
from test_law_graph import one_conv

import convprof
from convprof.errors import ModelError
from convprof.forms import FORMS
from convprof.records.analysis import ModelFile
from convprof.records.plan import Emission, Plan, PlannedLayer
from convprof.torch import Module, composing, load
from convprof.torch.composing import chains, compose

_PAIRS = [(name, emission) for name, form in FORMS.items() for emission in form.emissions]


@pytest.mark.parametrize(("name", "emission"), _PAIRS)
def test_the_composed_chain_is_the_chain(name: str, emission: Emission) -> None:
    @settings(max_examples=15)
    @given(sites.cases(name), st.booleans())
    def law(case: Case, with_bias: bool) -> None:
        bias = np.random.default_rng(case.seed).standard_normal(case.spec.out_channels) if with_bias else None
        module = _module(case, emission, bias)
        assert len(chains(module)) == 1
        values = _run(module, case)
        compose(module)
        assert [step.op_type for step in module.network.steps] == ["ComposedConv"]
        for ours, others in zip(_run(module, case), values, strict=True):
            torch.testing.assert_close(ours, others, rtol=1e-5, atol=1e-8)

    law()


def _module(case: Case, emission: Emission, bias: np.ndarray | None) -> Module:
    """The rewritten conv, in double precision."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "dense.onnx"), Path(folder, "separable.onnx")
        onnx.save(one_conv(case, bias), source)
        layer = PlannedLayer("conv", case.form.name, case.rank, emission)
        plan = Plan(schema="convprof.plan/1", model=ModelFile("dense.onnx", ""), layers=(layer,))
        convprof.rewrite(source, target, plan=plan, init="weights")
        module = load(target)
    return module.double()


def _run(module: Module, case: Case) -> list[torch.Tensor]:
    """The output, and the gradients for the input and every weight."""
    x = torch.from_numpy(case.inputs()).requires_grad_()
    y = module(x)
    assert isinstance(y, torch.Tensor)
    weights = torch.sin(torch.arange(y.numel(), dtype=y.dtype)).reshape(y.shape)
    return [y.detach(), *torch.autograd.grad((y * weights).sum(), [x, *module.parameters()])]


def _loaded(folder: Path, nodes: str, outputs: str = "float[N, 4, 6, 6] y") -> Module:
    weights = {"d": (4, 1, 3, 3), "e": (4, 1, 3, 3), "p": (4, 4, 1, 1), "b": (4,)}
    graph = f"g (float[N, 4, 6, 6] x) => ({outputs}) {{ {nodes} }}"
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17, "convprof": 1]>\n{graph}')
    for node in proto.graph.node:  # the parser takes no slashes
        node.name = node.name.replace("_", "/")
    random = np.random.default_rng(0)
    for name, shape in weights.items():
        if f", {name})" in nodes or f", {name}," in nodes:
            values = random.standard_normal(shape).astype(np.float32)
            proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    onnx.save(proto, folder / "chain.onnx")
    return load(folder / "chain.onnx").eval()


_DEPTHWISE = "group = 4, pads = [1, 1, 1, 1]"
_PAIR = f"[X_convprof_0_depthwise] a = Conv <{_DEPTHWISE}> (x, d) [X_convprof_1_pointwise] y = Conv (a, p, b)"


def test_a_pair_by_those_names_is_composed(tmp_path: Path) -> None:
    module = _loaded(tmp_path, _PAIR)
    x = torch.randn(2, 4, 6, 6)
    before = module(x)
    network = compose(module)
    torch.testing.assert_close(module(x), before)
    module.rewire(network)
    assert [step.op_type for step in module.network.steps] == ["Conv", "Conv"]


@pytest.mark.parametrize(
    "nodes",
    [
        _PAIR.replace("(x, d)", "(x, d, b)"),  # a bias that padding does not see
        _PAIR.replace("X_convprof_1", "Z_convprof_1"),
        _PAIR.replace("Conv (a, p, b)", f"Conv <{_DEPTHWISE}> (a, e)"),
        f"[X_convprof_0_depthwise] a = Conv <{_DEPTHWISE}> (x, d) r = Relu(a) [X_convprof_1_pointwise] y = Conv (r, p)",
        '[X_convprof_0_depthwise] a = Conv <group = 4, auto_pad = "SAME_UPPER"> (x, d) '
        "[X_convprof_1_pointwise] y = Conv (a, p)",
        f"[X_convprof_0_depthwise] a = Conv <{_DEPTHWISE}> (x, d) [X_convprof_1_pointwise] c = Conv (a, p) "
        "y = Add(a, c)",
        f"[X_convprof_0_a_depthwise] a = Conv <{_DEPTHWISE}> (x, d) [X_convprof_0_b_pointwise] c = Conv (x, p) "
        "[X_convprof_0_add1] y = Add(a, c)",
    ],
)
def test_what_no_one_conv_equals_stays_as_it_is(tmp_path: Path, nodes: str) -> None:
    module = _loaded(tmp_path, nodes)
    assert chains(module) == ()
    before = [step.op_type for step in module.network.steps]
    compose(module)
    assert [step.op_type for step in module.network.steps] == before


def test_a_file_cannot_hold_the_operator(tmp_path: Path) -> None:
    module = _loaded(tmp_path, "y = convprof.ComposedConv (x, p)")
    with pytest.raises(ModelError, match="no operator that a file can hold"):
        module(torch.zeros(1, 4, 6, 6))


def test_a_kernel_that_would_be_huge_is_not_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = _loaded(tmp_path, _PAIR)
    monkeypatch.setattr(composing, "_LARGEST", 4 * 4 * 9 - 1)
    assert chains(module) == ()

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
from convprof.forms import FORMS
from convprof.records.analysis import ModelFile
from convprof.records.plan import Emission, Plan, PlannedLayer
from convprof.torch import Module, load
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

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import naive
import numpy as np
import onnx
import pytest
import sites
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from sites import Case

import convprof
from convprof.forms import PLANNABLE
from convprof.records.analysis import ModelFile
from convprof.records.factors import Array
from convprof.records.plan import Emission, Plan, PlannedLayer
from convprof.runtime import open_session

_PAIRS = [(name, emission) for name, form in PLANNABLE.items() for emission in form.emissions]


def one_conv(case: Case, bias: Array | None) -> onnx.ModelProto:
    """One Conv from x to y."""
    spec, site = case.spec, case.site
    constants = [numpy_helper.from_array(case.kernel().astype(np.float32), "w")]
    if bias is not None:
        constants.append(numpy_helper.from_array(bias.astype(np.float32), "b"))
    node = helper.make_node(
        "Conv",
        ["x", *(constant.name for constant in constants)],
        ["y"],
        name="conv",
        kernel_shape=spec.kernel_shape,
        strides=spec.strides,
        pads=spec.pads,
        dilations=spec.dilations,
    )
    read, made = (site.batch, spec.in_channels, *site.input_size), (site.batch, spec.out_channels, *site.output_size)
    graph = helper.make_graph(
        [node],
        "one conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, read)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("name", "emission"), _PAIRS)
def test_the_graph_written_is_the_composed_kernel_in_onnxruntime_and_in_the_reference(
    name: str, emission: Emission
) -> None:
    @settings(max_examples=25)
    @given(sites.cases(name), st.booleans())
    def law(case: Case, with_bias: bool) -> None:
        bias = np.random.default_rng(case.seed).standard_normal(case.spec.out_channels) if with_bias else None
        with TemporaryDirectory() as folder:
            source, target = Path(folder, "dense.onnx"), Path(folder, "out", "separable.onnx")
            onnx.save(one_conv(case, bias), source)
            layer = PlannedLayer("conv", name, case.rank, emission)
            plan = Plan(schema="convprof.plan/1", model=ModelFile("dense.onnx", ""), layers=(layer,))
            convprof.rewrite(source, target, plan=plan, init="weights")
            converted = onnx.load(target)
            _check_run(case, converted, bias)
            _check_nodes(case, converted, emission)

    law()


def _check_run(case: Case, converted: onnx.ModelProto, bias: Array | None) -> None:
    onnx.checker.check_model(converted, full_check=True)
    feeds = {"x": case.inputs().astype(np.float32)}
    kernel = case.kernel().astype(np.float32).astype(np.float64)
    composed = case.form.compose(case.form.factor(kernel, case.spec, case.rank), case.spec)
    wanted = naive.convolve(feeds["x"].astype(np.float64), composed, case.spec, bias)
    session = open_session(converted.SerializeToString())
    run = session.run(feeds)["y"]
    np.testing.assert_allclose(run, wanted, atol=2e-5 * max(1.0, float(np.abs(wanted).max())))
    (reference,) = np.array(ReferenceEvaluator(converted).run(None, feeds))
    np.testing.assert_allclose(reference, run, rtol=1e-3, atol=1e-4)


def _check_nodes(case: Case, converted: onnx.ModelProto, emission: str) -> None:
    kinds = [node.op_type for node in converted.graph.node]
    rank = case.rank[0] if len(case.form.emissions) > 1 else 1
    plain = len(case.form.chain(case.spec, case.rank))
    assert kinds.count("Concat") == (emission == "concat" and rank > 1)
    assert kinds.count("Add") == (rank - 1 if emission == "sum" else 0)
    assert kinds.count("Conv") == {"sum": plain * rank, "concat": rank + 1, "multiplier": plain}[emission]


def test_every_emission_of_the_plan_belongs_to_a_form() -> None:
    assert {emission for _, emission in _PAIRS} == set(get_args(Emission))

"""Plans made from an exported file, applied to the torch model that it came from; and the result exported again."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
import torch
import torch_convs
from torch import nn

import convprof
from convprof import execution, runtime
from convprof.errors import PlanError
from convprof.records import files
from convprof.records.analysis import ModelFile
from convprof.records.plan import Plan, PlannedLayer
from convprof.runtime import RunOptions
from convprof.torch import separate

INPUTS = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def export(module: nn.Module, path: Path, *, dynamo: bool) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (INPUTS,), path, dynamo=dynamo, external_data=False, verbose=False)


def onnx_output(path: Path) -> torch.Tensor:
    feeds = {execution.load(path).inputs[0].name: INPUTS.numpy()}
    (found,) = runtime.open_session(path, RunOptions()).run(feeds).values()
    return torch.from_numpy(found)


def plan_of(*layers: PlannedLayer, path: str = "gone.onnx") -> Plan:
    return Plan("convprof.plan/1", ModelFile(path, ""), layers)


def layer(name: str, rank: int = 1) -> PlannedLayer:
    return PlannedLayer(name, "depthwise-pointwise", (rank,))


@pytest.mark.parametrize("dynamo", [False, True], ids=["traced", "exported"])
def test_a_plan_made_from_the_exported_model_fits_the_module(tmp_path: Path, dynamo: bool) -> None:
    dense = torch_convs.network()
    export(dense, tmp_path / "dense.onnx", dynamo=dynamo)
    names = [conv.name for conv in convprof.analyze(tmp_path / "dense.onnx", max_rank=0).convs]
    assert not set(names) & set(torch_convs.CONV_NAMES)
    plan = plan_of(*map(layer, names), path=str(tmp_path / "dense.onnx"))
    (tmp_path / "plan.json").write_text(files.encode(plan), encoding="utf-8")

    made = separate(dense, tmp_path / "plan.json")

    assert [each.name for each in made.replaced] == list(torch_convs.CONV_NAMES)
    if dynamo:  # another file at that place says nothing
        other = Plan("convprof.plan/1", ModelFile(plan.model.path, "0" * 64), plan.layers)
        with pytest.raises(PlanError, match="no conv of the model has that name"):
            separate(dense, other)


@pytest.mark.parametrize(
    ("form", "dynamo"),
    [("depthwise-pointwise", False), ("spatial", False), ("tucker2", False), ("depthwise-pointwise", True)],
)
def test_the_result_can_be_exported_and_computes_the_same(tmp_path: Path, form: str, dynamo: bool) -> None:
    made = separate(torch_convs.network(), rank=2, form=form).module
    export(made, tmp_path / "made.onnx", dynamo=dynamo)
    with torch.no_grad():
        torch.testing.assert_close(onnx_output(tmp_path / "made.onnx"), made(INPUTS), rtol=1e-4, atol=1e-5)


def test_a_plan_by_module_names_says_form_rank_and_emission() -> None:
    planned = [
        PlannedLayer("stem", "tucker2", (2, 3)),
        PlannedLayer("inner.inner", "depthwise-pointwise", (3,), "concat"),
        PlannedLayer("layer1.0.conv1", "depthwise-pointwise", (3,), "multiplier"),
        PlannedLayer("layer1.1.conv1", "dense", ()),
    ]
    made = separate(torch_convs.network(), plan_of(*planned))
    assert {each.name: (each.form, each.rank) for each in made.replaced} == {p.name: (p.form, p.rank) for p in planned}
    assert made.module.get_submodule("inner.inner.0").join == "concat"
    assert [type(part) for part in made.module.get_submodule("layer1.0.conv1").children()] == [nn.Conv2d, nn.Conv2d]
    assert type(made.module.get_submodule("layer1.1.conv1")) is nn.Conv2d
    assert {each.reason.code for each in made.kept} == {"not-planned"}


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        ([layer("/layer1/layer1.0/conv9/Conv")], "near are 'layer1.0.conv1'"),
        ([layer("stam")], "near are 'stem'"),
        ([layer("node_conv2d_7")], "no conv of the model has that name"),
        ([layer("/conv1/Conv")], "no conv of the model has that name"),
        ([layer("/Conv")], "no conv of the model has that name"),
        ([layer("stem", 99)], r"rank \[99\] is out of range"),
        ([PlannedLayer("stem", "magic", (1,))], "unknown form 'magic'"),
        ([layer("/layer1/layer1.0/twice/Conv"), layer("/layer1/layer1.0/twice_1/Conv", 2)], "both are the conv"),
    ],
)
def test_layers_that_do_not_fit_are_refused(planned: list[PlannedLayer], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        separate(torch_convs.network(), plan_of(*planned))


def test_a_name_that_may_be_several_convs_is_refused() -> None:
    made = nn.ModuleDict({name: nn.ModuleDict({"conv": nn.Conv2d(3, 3, 3)}) for name in ("left", "right")})
    with pytest.raises(PlanError, match=r"any of 'left.conv', 'right.conv'"):
        separate(made, plan_of(layer("/conv/Conv")))

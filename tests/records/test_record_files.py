from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from convprof.errors import DataError
from convprof.files import read_record
from convprof.records.analysis import Analysis, ConvReport, FormOption, ModelFile, TensorSpec, Totals, Uncounted
from convprof.records.benchmark import Benchmark, Comparison, Environment, ModelTimes, ProcessRounds
from convprof.records.comparison import (
    Decision,
    Difference,
    LayerDifference,
    RunComparison,
    RunFigures,
    StagePair,
)
from convprof.records.convs import ConvSite, ConvSpec, pointwise
from convprof.records.cost import Cost, LayerCost
from convprof.records.damage import Candidate, Damage, KeptDamage, Sensitivity
from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity, SampleFidelity
from convprof.records.files import FORMATS, decode, encode, schema
from convprof.records.gates import Gate
from convprof.records.pictures import Pictures, SamplePictures
from convprof.records.plan import Budget, KeptLayer, Measured, Plan, PlannedLayer, Prediction
from convprof.records.planning import FrontPoint, Planning, Round
from convprof.records.prices import CandidatePrice, LatencyTable, LayerPrice, ProbePrice, Timing
from convprof.records.remarks import Remark
from convprof.records.run import FittedLayer, LayerChange, Rival, Run, RunVerdict, Stage, StageScore
from convprof.records.tuning import CurvePoint, Settings, TunedStage, Tuning, Way, WayTime

_REMARK = Remark("a-code", "a sentence with “quotes”, <tags> & a newline\n")
_FILE = ModelFile("modèle.onnx", "ab" * 32, 8, 17, "pytorch")
_TOTALS = Totals(100, "N * 100", 50, 90, 80, 1, 2)
_CONV = ConvReport(
    name="conv",
    node_name="/conv/Conv",
    op_type="Conv",
    scope="block",
    kind="standard",
    input_shape=(1, 3, 8, 8),
    output_shape=(1, 4, 8, 8),
    weight_shape=(4, 3, 3, 3),
    kernel_shape=(3, 3),
    strides=(1, 1),
    pads=(1, 1, 1, 1),
    dilations=(1, 1),
    group=1,
    dtype="float32",
    macs=6912,
    parameters=112,
    share=0.5,
    eligible=True,
    reason=None,
    forms=(FormOption("spatial", (2,), 1, 2, 0.75, 0.5), FormOption("depthwise-pointwise", (1,), 1, 2)),
)
_UNKNOWN = ConvReport(
    *("other", "", "ConvTranspose", "", "grouped"), *(None,) * 3, *((),) * 4, 2, None, None, 0, None, False, _REMARK
)
_ANALYSIS = Analysis(
    "convprof.analysis/1",
    "0.1",
    _FILE,
    (TensorSpec("x", "float32", (None, 3, 8, 8)), TensorSpec("y", "int64", None)),
    _TOTALS,
    (Uncounted("Loop", "ai.onnx", 2),),
    (_CONV, _UNKNOWN),
    (_REMARK,),
)
_PLAN = Plan(
    "convprof.plan/1",
    _FILE,
    (PlannedLayer("conv", "spatial", (2,)), PlannedLayer("more", "depthwise-pointwise", (1, 2), "concat")),
    (KeptLayer("other", _REMARK),),
    Budget(0.5, 0.6, 0.7, 8.0, 1.0, 30.0),
    Prediction(10, 20, 1.5, 0.75, 0.125, 0.0),
    Measured(1.5, 2.0, 0.75, (0.7, 0.8), 60),
)
_GATE = Gate("fail-if-slower-than", 1, 1.0, "times", 2.0, (1.5, 2.5), "passed", "twice as fast")
_FIDELITY = Fidelity(
    "convprof.fidelity/1",
    64,
    (
        OutputFidelity("y", 0.5, 0.25, 12.0, 1.0, True, (SampleFidelity("worst", 3, None, 0.5),)),
        OutputFidelity("z", None, None, None, None, False),
    ),
    MetricChange("top1", 0.9, 0.8, -0.1, (-0.2, 0.0)),
    (_REMARK,),
    (Gate("fail-if-drop-above", 1, 1.0, "points", None, None, "inconclusive", "nothing is known"),),
)
_TIMES = ModelTimes("a.onnx", "00", (1.0, 1.5), 1.25, 0.25, {"50": 1.25}, 3.0, 2.0, 1 << 40, {"conv": 0.5}, (4.0,))
_VERSUS = Comparison(0, 1, 2.0, (1.5, 2.5), 0.95, "faster")
_BENCHMARK = Benchmark(
    "convprof.benchmark/1",
    (_TIMES,),
    (_VERSUS,),
    Environment("cpu", 2, 1, ("CPUExecutionProvider",), "1.23", "linux", "3.11", "2.0", "0.1"),
    (_REMARK,),
    (ProcessRounds(1), ProcessRounds(1, 2)),
    _TIMES,
    _VERSUS,
    (_GATE,),
)
_TIMING = Timing(1.0, 0.1, 3)
_LATENCY = LatencyTable(
    "convprof.latency/1",
    _FILE,
    (TensorSpec("x", "float32", (1, 3, 8, 8)),),
    "float32",
    _BENCHMARK.environment,
    (LayerPrice("conv", _TIMING),),
    (CandidatePrice("conv", "spatial", (2,), "sum", _TIMING),),
    (ProbePrice("dense", 3, 1.0, 0.5, 0.0, _TIMING),),
    -0.001,
    (_REMARK,),
)
_PLANNING = Planning(
    "convprof.planning/1",
    "0.1",
    "convprof plan",
    _PLAN,
    True,
    "relative-l2",
    (FrontPoint(_PLAN, _FIDELITY),),
    (Round(0.5, 0.25, 1.0, False),),
    _LATENCY,
    (_REMARK,),
)
_RUN = Run(
    "convprof.run/1",
    "0.1",
    "convprof optimize",
    _ANALYSIS,
    _ANALYSIS,
    _PLAN,
    (FittedLayer("conv", "spatial", (2,), 0.01, None),),
    (LayerChange("conv", 10, 5, 4, 3, None, 0.5),),
    _FIDELITY,
    _BENCHMARK,
    (Stage("fit", 1.5, 64),),
    RunVerdict(True, "yes", 2.0, (1.5, 2.5), None, -0.5),
    (_REMARK,),
    _PLANNING,
    Rival("dense int8", "int8.onnx", 256, 25, 100, 60, _FIDELITY, *_BENCHMARK.comparisons * 2),
    (StageScore("closed form", _FIDELITY, None, 1.5),),
    (_GATE,),
)
_FIGURES = RunFigures(
    *("a", "0.1", "convprof optimize", "00", True, 2.0, (1.5, 2.5), 0.95, (2.0, 1.0)),
    *(64, _FIDELITY.metric, 100, 50, 2, 1.5),
)
_COMPARISON = RunComparison(
    "convprof.comparison/1",
    "0.1",
    _FIGURES,
    _FIGURES,
    (Difference("cpu", "one", "two"),),
    False,
    "overlap",
    (LayerDifference("conv", Decision(_PLAN.layers[0]), None),),
    (LayerDifference("other", Decision(reason=_REMARK), Decision()),),
    (StagePair("fit", 1.5, None),),
    (_REMARK,),
    (_GATE,),
)
_DAMAGE = KeptDamage(
    "convprof.damage/1",
    "0.1",
    "00",
    _LATENCY.inputs,
    "weights",
    0,
    Damage(
        (Candidate("conv", "spatial", (2,), 10, 5, 0.25),), True, (Sensitivity("conv", "spatial", (2,), 0.25, 0.125),)
    ),
)
_LAYER_COST = LayerCost("dense", (8, 8, 3), (8, 8, 4), (4, 3, 3, 3), 100, 50)
_COST = Cost("convprof.cost/1", _LAYER_COST, (_LAYER_COST,), 100, 50, 1.0, 1.0, 3)
_PICTURES = Pictures(
    "convprof.pictures/1",
    *("ab" * 32, "x", "y", "values", 96, 96, 1, "preprocessing"),
    (SamplePictures("worst", 3, 0, 0, 8, 8, 0.5, None, None, b"\x89PNG", b"", b"\xff", b"\x00"),),
    *("stretched", -1.0, 1.0, 20, (3, 1)),
)
_WAY = Way(True, "bfloat16", True)
_TUNING = Tuning(
    schema="convprof.tuning/1",
    convprof="0.1.0",
    torch="2.8.0",
    device="cpu",
    processes=1,
    student=_FILE,
    teacher=None,
    path="tuned.onnx",
    data="data.npz",
    labels="y",
    settings=Settings(augment=("flip", "crop"), threads=2),
    mirrored=True,
    mirror_agreement=0.9,
    times=(WayTime(_WAY, 0.12),),
    stages=(
        TunedStage(
            method="finetune",
            samples=900,
            held_out=100,
            steps=30,
            epochs=4.3,
            minutes=0.5,
            measure="top1",
            better="higher",
            before=0.5,
            after=0.75,
            kept=30,
            batch=128,
            learning_rate=0.001,
            curve=(CurvePoint(0, 0.0, None, 0.5), CurvePoint(30, 0.5, 1.25, None)),
        ),
    ),
    notices=(_REMARK,),
)
_EXAMPLES: dict[str, msgspec.Struct] = {
    "analysis": _ANALYSIS,
    "plan": _PLAN,
    "planning": _PLANNING,
    "latency": _LATENCY,
    "damage": _DAMAGE,
    "fidelity": _FIDELITY,
    "benchmark": _BENCHMARK,
    "run": _RUN,
    "comparison": _COMPARISON,
    "cost": _COST,
    "pictures": _PICTURES,
    "tuning": _TUNING,
}


def test_every_format_has_an_example() -> None:
    assert set(_EXAMPLES) == set(FORMATS)
    assert all(type(example) is FORMATS[name] for name, example in _EXAMPLES.items())


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read_back(name: str) -> None:
    text = encode(_EXAMPLES[name])
    assert text.endswith("}\n")
    assert json.loads(text)["schema"] == f"convprof.{name}/1"
    assert decode(text.encode(), FORMATS[name], "a file") == _EXAMPLES[name]


@pytest.mark.parametrize("name", FORMATS)
def test_the_schema_is_one_and_takes_what_is_written(name: str) -> None:
    rule = json.loads(json.dumps(schema(name)))
    Draft202012Validator.check_schema(rule)
    Draft202012Validator(rule).validate(json.loads(encode(_EXAMPLES[name])))


@pytest.mark.parametrize("name", FORMATS)
def test_the_schema_refuses_what_lacks_a_field_or_has_another_name(name: str) -> None:
    whole = schema(name)
    rule = Draft202012Validator(whole)
    value = json.loads(encode(_EXAMPLES[name]))
    for key in whole["$defs"][type(_EXAMPLES[name]).__name__]["required"]:
        assert not rule.is_valid({each: entry for each, entry in value.items() if each != key}), key
    assert not rule.is_valid(value | {"schema": "convprof.other/1"})


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_is_not_another(name: str) -> None:
    for other in set(FORMATS) - {name}:
        with pytest.raises(DataError):
            decode(encode(_EXAMPLES[name]).encode(), FORMATS[other], "a file")


@pytest.mark.parametrize("field", ["name", "rank"])
def test_records_are_frozen(field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(_PLAN.layers[0], field, None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"form": 3}, "$.layers[0].form"),
        ({"rank": 2}, "$.layers[0].rank"),
        ({"rank": ["two"]}, "$.layers[0].rank[0]"),
        ({"rank": [1.5]}, "$.layers[0].rank[0]"),
        ({"emission": "summ"}, "$.layers[0].emission"),
        ({"emision": "concat"}, "emision"),
    ],
)
def test_a_wrong_field_in_an_edited_plan_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    value = json.loads(encode(_PLAN))
    value["layers"][0] |= change
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(value))
    with pytest.raises(DataError) as refused:
        read_record(path, Plan)
    assert refused.value.what == str(path)
    assert named in refused.value.why


def test_a_misspelt_field_of_a_planned_layer_is_named() -> None:
    text = encode(_PLAN).replace('"form"', '"from"', 1)
    with pytest.raises(DataError, match=r"`from`|`form`"):
        decode(text.encode(), Plan, "plan.json")


@pytest.mark.parametrize("place", ["budget", "predicted", "top"])
def test_a_field_that_a_plan_does_not_have_is_refused(place: str) -> None:
    value = json.loads(encode(_PLAN))
    (value if place == "top" else value[place])["speed"] = 1
    with pytest.raises(DataError, match="speed"):
        decode(json.dumps(value).encode(), Plan, "plan.json")


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"plan"}))
def test_reports_of_a_later_version_with_more_fields_are_read(name: str) -> None:
    """Nobody edits a report by hand; a plan is another matter."""
    value = json.loads(encode(_EXAMPLES[name])) | {"new": [1, 2]}
    assert decode(json.dumps(value).encode(), FORMATS[name], "a file") == _EXAMPLES[name]


def test_a_plan_by_hand_needs_three_fields() -> None:
    layer = {"name": "conv", "form": "spatial", "rank": [4]}
    text = json.dumps({"schema": "convprof.plan/1", "model": {"path": "m.onnx", "sha256": ""}, "layers": [layer]})
    plan = decode(text.encode(), Plan, "plan.json")
    assert plan.layers == (PlannedLayer("conv", "spatial", (4,), "sum"),)
    assert (plan.kept, plan.budget, plan.predicted) == ((), Budget(), Prediction())


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"schema": "\xed\xa0\x80"}']
)
def test_what_is_no_record_is_a_data_error(text: bytes) -> None:
    with pytest.raises(DataError) as refused:
        decode(text, Plan, "plan.json")
    assert refused.value.what == "plan.json"
    assert refused.value.remedy


def test_sizes_of_a_conv() -> None:
    spec = ConvSpec(6, 4, (3, 2), (2, 1), (1, 0, 0, 1), (1, 2), group=2)
    assert spec.weight_shape == (4, 3, 3, 2)
    assert spec.output_size((8, 5)) == (4, 4)
    assert ConvSite(spec, 1, (8, 5)).output_size == (4, 4)
    assert pointwise(6, 4, 3).weight_shape == (4, 6, 1, 1, 1)
    assert pointwise(6, 4, 3).output_size((5, 4, 3)) == (5, 4, 3)

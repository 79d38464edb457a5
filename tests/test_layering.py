"""Every node, tensor and millisecond of a converted model finds the layer of the original that it belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

import convprof
from convprof import benchmarking, execution, layering
from convprof.analysis import analyze
from convprof.graph import Model, layer_name, layer_owners
from convprof.runtime import RunOptions

MODEL = Path(__file__).parents[1] / "sample_models" / "digits_vgg.onnx"
OPTIONS = RunOptions()


def opened(path: Path) -> Model:
    return execution.settle(execution.load(path), {}, {}, {})


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("layering") / "small.onnx"
    convprof.rewrite(MODEL, path, form="depthwise-pointwise", rank=(2,), only=["features.1.conv", "features.5.conv"])
    return path


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("a", "a"),
        ("a/convprof/0/depthwise", "a"),
        ("a/convprof/0/depthwise_2", "a"),
        ("b/convprof/0/pointwise", "b/convprof/0/pointwise"),
        ("b/convprof/0/pointwise/convprof/1/conv", "b/convprof/0/pointwise"),
        ("new", "new"),
    ],
)
def test_nodes_know_their_layers(node: str, layer: str) -> None:
    assert layer_name(node, {"a", "b/convprof/0/pointwise"}) == layer


def test_tensors_know_their_layers(converted: Path) -> None:
    layers = [f"features.{number}.conv" for number in range(6)]
    owners = layer_owners(opened(converted), layers)
    assert set(owners.values()) == {*layers, ""}
    assert owners["features.1.conv/convprof/0/0/depthwise/output"] == "features.1.conv"


def test_each_layer_has_its_work_and_its_time_before_and_after(converted: Path) -> None:
    models = [opened(MODEL), opened(converted)]
    before, after = (analyze(model, max_rank=0) for model in models)
    feeds = execution.example_feeds(models[0].inputs, seed=0)
    paths = [(Path(model.file.path), model.file.sha256) for model in models]
    benchmark = benchmarking.measure(paths, [feeds, feeds], options=OPTIONS, iterations=1)
    profiled = layering.profile(benchmark, models, before, feeds, OPTIONS)
    changes = {change.name: change for change in layering.changes(before, after, profiled)}
    assert sum(change.macs_after for change in changes.values()) == after.totals.conv_macs
    for name, change in changes.items():
        replaced = name in ("features.1.conv", "features.5.conv")
        assert (change.macs_after < change.macs_before) == replaced
        assert change.latency_before_ms is not None
        assert change.latency_after_ms is not None
        assert min(change.latency_before_ms, change.latency_after_ms) > 0

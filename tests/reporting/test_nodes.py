"""Node data for Model Explorer, in the shape that it reads."""

from __future__ import annotations

import json
from pathlib import Path

import example_run
import hostile
import msgspec
import pytest

import convprof
from convprof.cli.options import GRAPHS as CHOSEN_GRAPHS
from convprof.cli.options import NODE_FIGURES as CHOICES
from convprof.errors import DataError, UsageError
from convprof.files import write_text
from convprof.records.run import Run
from convprof.reporting import render_run
from convprof.reporting.nodes import GRAPHS, NODE_FIGURES, render_nodes


@pytest.mark.parametrize("figure", NODE_FIGURES)
def test_every_figure_is_a_value_a_node(figure: str) -> None:
    run = example_run.run()
    data = json.loads(render_nodes(run, figure))
    assert set(data) == {"results", "gradient"}
    assert [stop["stop"] for stop in data["gradient"]] == [0, 1]
    names = {conv.name for conv in run.analysis.convs}
    assert set(data["results"]) == names if "error" not in figure else set(data["results"]) < names
    for node in data["results"].values():
        assert set(node) == {"value"}
        assert isinstance(node["value"], int | float)


def test_values_are_those_of_the_report() -> None:
    run = example_run.run()
    results = json.loads(render_nodes(run, "macs-after"))["results"]
    assert {name: node["value"] for name, node in results.items()} == {
        each.name: each.macs_after for each in run.layers
    }


def test_what_is_not_known_or_no_number_is_left_out() -> None:
    run = example_run.run()
    first, second, *rest = run.fits
    replace = msgspec.structs.replace
    fits = (replace(first, error=float("inf")), replace(second, error=None), *rest)
    results = json.loads(render_nodes(replace(run, fits=fits), "error"))["results"]
    assert set(results) == {fit.name for fit in rest}
    with pytest.raises(DataError, match="no latency of any layer"):
        render_nodes(example_run.bare_run(), "latency")


def converted_run() -> Run:
    """The run's first planned layer as a chain of two convs, which the analysis of the new model knows."""
    run = example_run.run()
    replace = msgspec.structs.replace
    name = run.plan.layers[0].name
    convs = []
    for conv in run.analysis.convs:
        parts = [f"{name}/convprof/0/depthwise", f"{name}/convprof/1/pointwise"] if conv.name == name else [conv.name]
        convs += [replace(conv, name=part, macs=10 + at) for at, part in enumerate(parts)]
    return replace(run, analysis_after=replace(run.analysis_after, convs=tuple(convs)))


def test_the_converted_model_has_figures_of_its_own() -> None:
    run = converted_run()
    name = run.plan.layers[0].name
    chain = [f"{name}/convprof/0/depthwise", f"{name}/convprof/1/pointwise"]
    own = json.loads(render_nodes(run, "macs-after", "converted"))["results"]
    assert [own[node]["value"] for node in chain] == [10, 11]
    assert name not in own
    latency = json.loads(render_nodes(run, "latency-after", "converted"))["results"]
    expected = {each.name: each.latency_after_ms for each in run.layers}
    assert chain[0] not in latency
    assert latency[chain[1]]["value"] == expected[name]
    assert {node: each["value"] for node, each in latency.items() if node != chain[1]} == {
        other: value for other, value in expected.items() if other != name
    }


def test_a_model_that_was_converted_before_keeps_its_names_apart() -> None:
    run = converted_run()
    replace = msgspec.structs.replace
    inner = f"{run.plan.layers[0].name}/convprof/1/pointwise"
    layers = (*run.layers, replace(run.layers[0], name=inner, latency_after_ms=7.0))
    results = json.loads(render_nodes(replace(run, layers=layers), "latency-after", "converted"))["results"]
    assert results[inner]["value"] == 7.0


def test_hostile_names_stay_keys() -> None:
    text = render_nodes(hostile.run(), "macs")
    assert set(json.loads(text)["results"]) == set(hostile.NAMES)
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)


def test_the_verb_and_the_choices(tmp_path: Path) -> None:
    assert tuple(NODE_FIGURES) == CHOICES
    assert GRAPHS == CHOSEN_GRAPHS
    run = example_run.run()
    write_text(tmp_path / "report.json", render_run(run, "json"))
    shown = convprof.report(tmp_path, "model-explorer", figure="latency")
    assert shown == render_nodes(example_run.run(), "latency")
    assert convprof.report(tmp_path, "model-explorer", graph="converted") == render_nodes(run, "macs", "converted")
    with pytest.raises(UsageError, match="choose one of original"):
        convprof.report(tmp_path, "model-explorer", graph="other")
    with pytest.raises(UsageError, match="choose one of macs"):
        convprof.report(tmp_path, "model-explorer", figure="beauty")

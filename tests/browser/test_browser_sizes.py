"""Pages of a large network stay small: below a megabyte, and quick to open."""

from __future__ import annotations

from pathlib import Path

import example_planning
import example_run
import msgspec
import pytest
from zoo import network

import convprof
from browser.window import Window
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.plan import PlannedLayer
from convprof.records.planning import FrontPoint
from convprof.records.run import FittedLayer, LayerChange, Run
from convprof.reporting import render_analysis, render_run

MEGABYTE = 1_000_000
NAME = "/backbone/stages.3/stages.3.{}/blocks/bottleneck/conv{}/Conv"
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def resnet50(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """ResNet-50 at 224x224 as analyze sees it, with names as long as exporters write them and all energies known."""
    found = convprof.analyze(network("resnet50", tmp_path_factory.mktemp("resnet50"), "nodes"))
    convs = (replace(conv, name=NAME.format(*divmod(at, 3))) for at, conv in enumerate(found.convs))
    return replace(found, convs=tuple(map(with_energies, convs)))


def with_energies(conv: ConvReport) -> ConvReport:
    return replace(conv, forms=tuple(replace(each, energy=0.617, energy_random=0.283) for each in conv.forms))


def test_the_network_is_the_large_one(resnet50: Analysis) -> None:
    assert len(resnet50.convs) == 53
    assert len({option.form for conv in resnet50.convs for option in conv.forms}) > 3


def run_of(analysis: Analysis) -> Run:
    """Every conv replaced, timed and fitted; a search over 16 plans; as many measurements as a page draws."""
    full, names = example_run.run(), [conv.name for conv in analysis.convs]
    planned = tuple(PlannedLayer(name, "pointwise-depthwise-pointwise", (128,), "sum") for name in names)
    planning = example_planning.searched()
    models = tuple(replace(each, samples_ms=each.samples_ms * 8) for each in full.benchmark.models)
    return replace(
        full,
        analysis=analysis,
        plan=replace(full.plan, layers=planned, kept=()),
        fits=tuple(FittedLayer(each.name, each.form, each.rank, 0.0123, 0.0456, 0.0789) for each in planned),
        layers=tuple(LayerChange(name, 115_605_504, 29_300_000, 36_928, 9_360, 1.234, 0.567) for name in names),
        benchmark=replace(full.benchmark, models=models),
        planning=replace(
            planning,
            plan=replace(planning.plan, layers=planned),
            front=tuple(FrontPoint(replace(each.plan, layers=planned), each.fidelity) for each in planning.front),
        ),
    )


@pytest.mark.parametrize("kind", ["analysis", "report"])
def test_pages_of_resnet50_are_below_a_megabyte(window: Window, resnet50: Analysis, kind: str, tmp_path: Path) -> None:
    text = render_analysis(resnet50, "html") if kind == "analysis" else render_run(run_of(resnet50), "html")
    size = len(text.encode())
    assert MEGABYTE / 5 < size < MEGABYTE
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    for width in (1280, 390):
        window.open(path, width=width)
        assert window.complaints() == []
        assert window.outside() == []
    assert len(window.skeleton()) < 30_000

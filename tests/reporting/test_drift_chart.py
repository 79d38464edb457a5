"""The bars of the model's error: one a measured layer, from zero, in the order of the fit."""

from __future__ import annotations

import math

import example_run
import msgspec

from convprof.records.run import FittedLayer
from convprof.reporting import render_run
from convprof.reporting.charts.drift import drift


def layer(name: str, error: float | None) -> FittedLayer:
    return FittedLayer(name, "spatial", (2,), 0.1, 0.2, error)


def test_bars_are_as_long_as_the_errors() -> None:
    chart = drift((layer("b", 0.2), layer("a", 0.1), layer("c", 0.0)))
    assert chart is not None
    assert [row.name for row in chart.rows] == ["b", "a", "c"]
    assert [bar.width for row in chart.rows for bar in row.bars] == [100, 50, 0]
    assert chart.axis
    assert chart.ticks[0].label == "0"
    assert chart.note == ""


def test_what_was_not_measured_is_left_out_and_said() -> None:
    chart = drift((layer("a", None), layer("b", math.inf), layer("c", 0.3)))
    assert chart is not None
    assert [row.name for row in chart.rows] == ["c"]
    assert "2 layers" in chart.note
    assert drift((layer("a", None),)) is None
    assert drift(()) is None


def test_every_view_shows_it() -> None:
    run = example_run.run()
    fits = tuple(msgspec.structs.replace(fit, model_error=0.012345) for fit in run.fits)
    run = msgspec.structs.replace(run, fits=fits)
    assert "as layers are converted one after another</h3>" in render_run(run, "html")
    assert "model error" in render_run(run, "table")
    assert "model error" in render_run(run, "markdown")
    assert "model_error" in render_run(run, "csv").splitlines()[0]
    assert "0.012345" in render_run(run, "csv")

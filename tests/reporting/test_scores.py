"""The score after each stage, in every format."""

from __future__ import annotations

import example_run
import msgspec
import pytest

from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity
from convprof.records.run import Run, StageScore
from convprof.reporting import render_run
from convprof.reporting.charts.stages import stages
from convprof.reporting.scores import scores, table

replace = msgspec.structs.replace


def judged(after: float, interval: tuple[float, float] | None = (-0.02, 0.01), name: str = "top1") -> Fidelity:
    change = MetricChange(name, 0.9, after, after - 0.9, interval)
    return replace(example_run.fidelity(), metric=change)


def compared(sqnr: float | None, agreement: float | None = None) -> Fidelity:
    output = OutputFidelity("y", 0.1, 0.1, sqnr, agreement, True)
    return replace(example_run.fidelity(), metric=None, outputs=(output,))


STAGES = (
    StageScore("weights only", judged(0.7), None, 0.25),
    StageScore("closed form", judged(0.88, (-0.035, -0.005)), 1024, 93.0),
    StageScore("distill", judged(0.895), 50000, 812.0),
)


def scored(found: tuple[StageScore, ...]) -> Run:
    return replace(example_run.run(), scores=found)


def test_a_row_for_the_original_and_each_stage() -> None:
    built = table(STAGES)
    assert built.columns[1].heading == "top1, %"
    assert [row[:2] for row in built.rows] == [
        ("original", "90.00 %"),
        ("weights only", "70.00 %"),
        ("closed form", "88.00 %"),
        ("distill", "89.50 %"),
    ]
    assert built.rows[2][2:] == (
        "\N{MINUS SIGN}2.00 points, 95 % interval \N{MINUS SIGN}3.50 to \N{MINUS SIGN}0.50",
        "1,024 inputs",
        "1 min 33 s",
    )
    assert built.rows[1][3] == "none"


def test_the_chart_has_a_dot_a_row_and_its_interval() -> None:
    chart = stages(STAGES)
    assert chart is not None
    assert [row.name for row in chart.rows] == ["original", "weights only", "closed form", "distill"]
    places = [row.dots[0].x for row in chart.rows]
    assert places[1] < places[2] < places[3] < places[0]
    (stroke,) = chart.rows[2].strokes
    assert stroke.x1 < places[2] < stroke.x2
    assert chart.rows[0].strokes == ()


@pytest.mark.parametrize("output_format", ["html", "markdown", "table"])
def test_every_format_shows_it(output_format: str) -> None:
    text = render_run(scored(STAGES), output_format)
    for words in ("Score after each stage", "weights only", "closed form", "distill", "89.50 %"):
        assert words in text
    assert "Score after each stage" not in render_run(scored(()), output_format)


def test_without_a_metric_closeness_is_the_score() -> None:
    found = scores(
        (StageScore("weights only", compared(8.5), None, 0.1), StageScore("closed form", compared(31.2), 9, 1))
    )
    assert [each.words for each in found] == ["\N{EN DASH}", "8.5 dB", "31.2 dB"]
    agreeing = scores((StageScore("closed form", compared(31.2, 0.975), 9, 1.0),))
    assert (agreeing[1].value, agreeing[1].words) == (97.5, "97.5 %")


def test_what_has_no_number_is_not_drawn() -> None:
    assert stages(()) is None
    assert stages((StageScore("closed form", compared(31.2), 9, 1.0),)) is None
    equal = (StageScore("weights only", compared(None), None, 0.1), StageScore("closed form", compared(20.0), 9, 1.0))
    assert stages(equal) is None
    page = render_run(scored(equal), "html")
    assert "Score after each stage" in page
    infinite = (*STAGES, StageScore("odd", judged(float("inf"), None), 1, 1.0))
    chart = stages(infinite)
    assert chart is not None
    assert [row.name for row in chart.rows][-1] == "distill"
    assert "1 stage" in chart.note
    bare = stages(
        (StageScore("weights only", compared(8.5), None, 0.1), StageScore("closed form", compared(31.2), 9, 1.0))
    )
    assert bare is not None
    assert (len(bare.rows), len(bare.keys), bare.note) == (2, 1, "")


def test_names_of_metrics_are_hostile() -> None:
    name = "<script>alert(1)</script>|`x`"
    run = scored((StageScore(name, judged(0.8, name=name), 1, 1.0),))
    page = render_run(run, "html")
    assert page.lower().count("<script") == 1
    assert "<script" not in render_run(run, "markdown")

"""The drawings of plans: where points stand, which are hollow, and where labels find room."""

from __future__ import annotations

import example_planning
import example_run
import hostile
import msgspec
import pytest

from convprof.records.fidelity import Fidelity
from convprof.records.plan import Budget, Measured
from convprof.records.planning import FrontPoint, Planning
from convprof.records.run import Rival
from convprof.reporting import render_run
from convprof.reporting.charts.front import fronts
from convprof.reporting.charts.marks import Dot
from convprof.reporting.charts.scatter import HEIGHT, Scatter, Wanted, placed
from convprof.reporting.front import Reference, loss, points

INT8 = Reference("dense int8", 0.55, (0.54, 0.56), example_planning.fidelity(0.004))


def drawn(planning: Planning, *references: Reference) -> tuple[Scatter, ...]:
    return fronts(points(planning), planning.measure, loss(planning), references)


def tones(chart: Scatter) -> list[tuple[str, bool]]:
    return [(spot.dot.tone, spot.dot.hollow) for spot in chart.spots]


def test_a_search_has_a_drawing_of_what_was_measured_and_one_of_what_was_expected() -> None:
    measured, expected = drawn(example_planning.searched())
    assert measured.y_axis == "loss of top1 in points"
    assert tones(measured) == [
        ("after", True),
        ("after", True),
        ("after", False),
        ("after", True),
        ("before", False),
    ]
    assert [label.text for label in measured.labels] == ["chosen", "dense", "allowed: 1.00 points"]
    assert "1 model beyond the axis, up to 19.30 points." in measured.note
    assert "12 plans" in measured.note
    assert expected.y_axis.startswith("predicted damage: summed errors")
    assert expected.y_axis.endswith("logarithmic")
    assert len(expected.spots) == 16 + 1 + 1


def test_the_dense_model_stands_at_one_and_zero() -> None:
    for chart in drawn(example_planning.searched()):
        dense = chart.spots[-1].dot
        tick = next(tick for tick in chart.ticks if tick.label == "100 %")
        assert dense.x == tick.x
        assert dense.y == HEIGHT
        assert not dense.hollow


def test_only_the_chosen_plan_is_ringed_where_it_was_measured() -> None:
    for chart in drawn(example_planning.searched()):
        (ringed,) = [spot for spot in chart.spots if spot.ringed]
        assert not ringed.dot.hollow
        assert ringed.words.startswith("plan 9: 54.4 % measured")


def test_an_unmeasured_choice_is_ringed_where_it_was_predicted() -> None:
    found = example_planning.searched()
    plan = msgspec.structs.replace(found.plan, measured=None)
    measured, _ = drawn(msgspec.structs.replace(found, plan=plan))
    (ringed,) = [spot for spot in measured.spots if spot.ringed]
    assert ringed.dot.hollow


def test_a_rival_is_told_in_the_same_loss() -> None:
    measured, expected = drawn(example_planning.searched(), INT8)
    (rival,) = [spot for spot in measured.spots if spot.dot.tone == "weights"]
    assert rival.words == "dense int8: 55.0 %, 0.40 points"
    assert "dense int8" in [label.text for label in measured.labels]
    assert all(spot.dot.tone != "weights" for spot in expected.spots)
    unknown = msgspec.structs.replace(example_planning.fidelity(0.1), metric=None, outputs=())
    (first, _) = drawn(example_planning.searched(), Reference("unknown", 0.5, None, unknown))
    assert all(spot.dot.tone != "weights" for spot in first.spots)


def test_a_sweep_without_a_limit_is_drawn_in_decades() -> None:
    found = example_planning.swept()
    measured, expected = drawn(found)
    assert measured.y_axis.endswith("logarithmic")
    assert "stands at the foot" in measured.reading
    assert len([stroke for stroke in measured.strokes if stroke.tone == "quiet"]) == 16
    assert "1 plan" in measured.note
    assert expected.note == ""
    front = found.front[:5]
    (alone,) = drawn(msgspec.structs.replace(found, front=front, plan=front[2].plan))
    assert alone.title == measured.title


def test_a_metric_that_rises_keeps_zero_on_the_axis() -> None:
    found = example_planning.swept()
    plan = msgspec.structs.replace(found.plan, budget=Budget(max_drop=1.0))
    front = tuple(
        FrontPoint(each.plan, example_planning.fidelity(value))
        for each, value in zip(found.front, (-0.004, -0.001, 0.002), strict=False)
    )
    measured, _ = drawn(msgspec.structs.replace(found, front=front, plan=plan))
    assert all(0 <= spot.dot.y <= HEIGHT for spot in measured.spots)
    assert measured.spots[-1].dot.y < HEIGHT
    assert "0" in [level.label for level in measured.levels]


def test_without_times_macs_stand_on_the_axis() -> None:
    (chart,) = drawn(example_planning.by_macs(), INT8)
    assert chart.x_axis == "share of the dense model's MACs"
    assert [key.label for key in chart.keys] == ["plan", "dense model"]
    assert not any(spot.dot.hollow for spot in chart.spots)
    assert "less work" in chart.reading


def test_no_front_is_no_drawing() -> None:
    assert drawn(example_planning.bare()) == ()
    assert points(example_planning.bare()) == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_drawn(value: float) -> None:
    found = example_planning.searched()

    def broken(each: Fidelity | None) -> Fidelity | None:
        if each is None or each.metric is None:
            return each
        return msgspec.structs.replace(each, metric=msgspec.structs.replace(each.metric, difference=value))

    front = tuple(msgspec.structs.replace(each, fidelity=broken(each.fidelity)) for each in found.front)
    (only,) = drawn(msgspec.structs.replace(found, front=front))
    assert only.title == "What plans are expected to lose"


def test_a_plan_slower_than_the_dense_model_is_on_the_axis() -> None:
    found = example_planning.swept()
    slow = Measured(20.0, 18.4, 1.3, (1.28, 1.32), 60)
    front = (FrontPoint(msgspec.structs.replace(found.front[0].plan, measured=slow), found.front[0].fidelity),)
    for chart in drawn(msgspec.structs.replace(found, front=front)):
        assert all(0 <= spot.dot.x < 100 for spot in chart.spots)


def test_labels_cover_neither_dots_nor_each_other() -> None:
    dots = [Dot(50, 150, 5, "after"), Dot(50, 132, 5, "after")]
    first, second = placed([Wanted("chosen", 50, 150), Wanted("dense int8", 52, 150)], dots)
    assert first.y >= 156
    assert abs(first.y - second.y) >= 16
    edge, corner = placed([Wanted("allowed: 1.00 points", 0, 10), Wanted("dense", 100, HEIGHT)], [])
    assert (edge.side, edge.x) == ("start", 0)
    assert edge.y >= 0
    assert (corner.side, corner.x) == ("end", 100)
    assert corner.y + 16 <= HEIGHT


@pytest.mark.parametrize("name", hostile.NAMES)
def test_names_of_rivals_are_text(name: str) -> None:
    run = example_run.run()
    found = run.benchmark.comparisons[0]
    rival = Rival(name, "int8.onnx", 256, 300, 1000, 600, example_planning.fidelity(0.005), found, found)
    text = render_run(msgspec.structs.replace(run, planning=example_planning.searched(), rival=rival), "html")
    assert "1.00 kB" in text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert all(character.isprintable() or character == "\n" for character in text)

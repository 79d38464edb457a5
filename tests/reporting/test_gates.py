"""Limits held against what was measured: kept, broken, or not to be told, and the words for it."""

from __future__ import annotations

import re
from math import inf, nan

import example_run
import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from convprof import gates
from convprof.comparing import compare
from convprof.errors import UsageError
from convprof.records.analysis import Totals
from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity
from convprof.records.files import decode, encode
from convprof.records.gates import Gate, Limits
from convprof.records.remarks import Remark
from convprof.records.run import Run
from convprof.reporting import PAGE_FORMATS, render_comparison, render_fidelity, render_run

CLASSES = OutputFidelity("y", 0.1, 0.01, 40.0, 0.99, True)
PICTURE = replace(CLASSES, top1_agreement=None)
ALL = Limits(slower_than=1.5, drop_above=1.0, params_share_above=0.5, macs_above=10**9)


def fidelity(metric: MetricChange | None = None, *outputs: OutputFidelity, samples: int = 10_000) -> Fidelity:
    return Fidelity("convprof.fidelity/1", samples, outputs or (CLASSES,), metric)


def change(name: str, difference: float, half: float | None) -> MetricChange:
    interval = None if half is None else (difference - half, difference + half)
    return MetricChange(name, 0.9, 0.9 + difference, difference, interval)


def drop(found: Fidelity | None, most: float) -> Gate:
    (gate,) = gates.of_fidelity(found, Limits(drop_above=most))
    assert (gate.name, gate.limit) == ("fail-if-drop-above", most)
    return gate


@pytest.mark.parametrize(
    ("metric", "most", "outcome", "unit", "value"),
    [
        (change("top1", -0.006, 0.002), 1.0, "passed", "points", 0.6),
        (change("top1", -0.006, 0.002), 0.5, "inconclusive", "points", 0.6),
        (change("top1", -0.006, 0.002), 0.3, "failed", "points", 0.6),
        (change("top1", 0.02, 0.01), 0.0, "passed", "points", -2.0),
        (change("psnr", -0.4, 0.05), 0.5, "passed", "dB", 0.4),
        (change("psnr", -0.4, 0.05), 0.3, "failed", "dB", 0.4),
        (change("mine:score", -3.0, 0.5), 3.2, "inconclusive", "", 3.0),
        (change("mine:score", -3.0, None), 3.0, "passed", "", 3.0),
        (change("mine:score", -3.0, None), 2.9, "failed", "", 3.0),
    ],
)
def test_a_loss_is_held_by_its_interval_or_without_one_by_itself(
    metric: MetricChange, most: float, outcome: str, unit: str, value: float
) -> None:
    gate = drop(fidelity(metric), most)
    assert (gate.outcome, gate.unit) == (outcome, unit)
    assert gate.value == pytest.approx(value)
    assert metric.name in gate.reason
    assert ("more inputs" in gate.reason) == (outcome == "inconclusive")
    assert (gate.interval is None) == (metric.interval is None)


def test_without_a_metric_classes_count_and_without_classes_the_worst_output() -> None:
    one_percent_off = drop(fidelity(), 2.0)
    assert (one_percent_off.outcome, one_percent_off.unit) == ("passed", "points")
    assert one_percent_off.value == pytest.approx(1.0)
    assert one_percent_off.interval == pytest.approx((0.8143, 1.2154), abs=1e-3)
    assert drop(fidelity(), 1.1).outcome == "inconclusive"
    assert drop(fidelity(), 0.5).outcome == "failed"
    assert drop(fidelity(change("agreement", -0.01, 0.002)), 0.5).value == pytest.approx(1.0)
    pictures = fidelity(None, PICTURE, replace(PICTURE, relative_l2=0.058))
    assert drop(pictures, 6.0).outcome == "passed"
    far = drop(pictures, 1.0)
    assert (far.outcome, far.unit, far.interval) == ("failed", "%", None)
    assert far.reason == "the relative error of the worst output in % is 5.80 on 10,000 inputs, at most 1 is asked for"


def test_what_is_not_known_guards_nothing_and_what_is_no_number_is_bad() -> None:
    assert drop(None, 1.0).outcome == "inconclusive"
    assert drop(replace(fidelity(), notices=(Remark("metric-not-finite", "..."),)), 50.0).outcome == "inconclusive"
    assert drop(fidelity(None, replace(PICTURE, relative_l2=None)), 50.0).outcome == "inconclusive"
    broken = drop(fidelity(change("top1", 0.0, 0.0), replace(CLASSES, finite=False)), 50.0)
    assert (broken.outcome, broken.value) == ("failed", None)
    assert "NaN" in broken.reason


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 5))
def test_no_gate_is_both_kept_and_broken_and_a_wider_interval_only_takes_certainty_away(
    points: float, half: float, most: float
) -> None:
    narrow, wide = (drop(fidelity(change("mine:m", -points, each)), most).outcome for each in (half, 2 * half))
    assert wide in (narrow, "inconclusive")
    assert (narrow == "passed") == (points + half <= most)


@pytest.mark.parametrize(
    ("limits", "outcome", "unit", "value"),
    [
        (Limits(params_above=100), "passed", "parameters", 100),
        (Limits(params_above=99), "failed", "parameters", 100),
        (Limits(params_share_above=0.25), "passed", "share", 0.25),
        (Limits(params_share_above=0.2), "failed", "share", 0.25),
        (Limits(macs_above=3_000), "passed", "MACs", 3_000),
        (Limits(macs_share_above=0.74), "failed", "share", 0.75),
    ],
)
def test_sizes_are_counted_and_always_conclusive(limits: Limits, outcome: str, unit: str, value: float) -> None:
    before, after = Totals(4_000, None, 400, 0, 0, 0, 0), Totals(3_000, None, 100, 0, 0, 0, 0)
    (gate,) = gates.of_sizes(before, after, limits)
    assert (gate.outcome, gate.unit, gate.value) == (outcome, unit, value)
    assert "of the original's" in gate.reason


@pytest.mark.parametrize(
    "limits",
    [
        *(Limits(slower_than=value) for value in (0.0, -1.0, nan, inf)),
        *(Limits(drop_above=value) for value in (-1.0, nan, inf)),
        *(Limits(params_share_above=value) for value in (0.0, nan, inf)),
        Limits(params_above=0),
        Limits(macs_above=1, macs_share_above=1),
    ],
)
def test_what_is_no_limit_is_refused(limits: Limits) -> None:
    with pytest.raises(UsageError, match="--fail-if"):
        gates.check(limits)


def test_a_limit_that_nothing_can_be_held_against_is_refused_before_the_work() -> None:
    gates.check(ALL)
    with pytest.raises(UsageError, match="timed"):
        gates.check(ALL, timed=False)
    with pytest.raises(UsageError, match="--eval"):
        gates.check(ALL, judged=False)
    with pytest.raises(UsageError, match="counted"):
        gates.check(ALL, counted=False)
    gates.check(Limits(slower_than=1.0), judged=False, counted=False)


def held(run: Run, limits: Limits = ALL) -> Run:
    return replace(run, gates=gates.of_run(run, limits))


def test_a_run_is_held_against_all_limits_and_its_rival_against_none() -> None:
    run = held(example_run.run(), replace(ALL, drop_above=0.005))
    assert [(gate.name, gate.outcome) for gate in run.gates] == [
        ("fail-if-slower-than", "passed"),
        ("fail-if-drop-above", "inconclusive"),
        ("fail-if-params-above", "passed"),
        ("fail-if-macs-above", "passed"),
    ]
    assert [gate.candidate for gate in run.gates] == [1] * 4
    assert decode(encode(run).encode(), Run, "a run") == run
    assert held(example_run.run(), gates.NO_LIMITS) == example_run.run()


@pytest.mark.parametrize("output_format", sorted(set(PAGE_FORMATS) - {"csv"}))
def test_limits_stand_before_the_figures(output_format: str) -> None:
    run = held(example_run.run(), replace(ALL, drop_above=0.005))
    text = render_run(run, output_format)
    assert "fail-if-drop-above" in text
    assert "inconclusive" in text
    assert "fail-if" not in render_run(example_run.run(), output_format)
    if output_format != "json":
        assert text.index("fail-if-params-above 50 %") < text.index(
            "parameters</" if output_format == "html" else "MACs"
        )


def test_limits_let_no_markup_through() -> None:
    run = hostile.run()
    assert run.fidelity is not None
    for name in hostile.NAMES:
        judged = replace(run.fidelity, outputs=(CLASSES,), metric=change(name, -0.1, 0.01))
        models = tuple(replace(each, path=name) for each in run.benchmark.models)
        full = held(replace(run, fidelity=judged, benchmark=replace(run.benchmark, models=models)))
        page = render_run(full, "html")
        assert "<script>alert" not in page
        assert "<img" not in page
        limits = render_fidelity(replace(judged, gates=full.gates), "markdown")
        assert not re.search(r"<(?!/?(details|summary|code)>)\w", limits)
        assert all(c.isprintable() or c == "\n" for c in render_fidelity(replace(judged, gates=full.gates), "table"))


def between(first: Run, second: Run, limits: Limits) -> tuple[str, ...]:
    found = compare(first, second, ("main", "branch"))
    held = gates.between(found, first, second, limits)
    assert "Limits" in render_comparison(replace(found, gates=held), "markdown")
    return tuple(gate.outcome for gate in held)


def with_speed(run: Run, speedup: float, half: float = 0.01) -> Run:
    interval = (speedup - half, speedup + half)
    return replace(run, verdict=replace(run.verdict, speedup=speedup, interval=interval))


def with_drop(run: Run, difference: float, half: float = 0.001) -> Run:
    assert run.fidelity is not None
    return replace(run, fidelity=replace(run.fidelity, metric=change("top1", difference, half)))


def test_a_branch_is_held_against_main() -> None:
    main = with_drop(with_speed(example_run.run(), 2.0), -0.005)
    no_worse = Limits(slower_than=1.0, drop_above=0.5, params_share_above=1.0, macs_share_above=1.0)
    assert between(main, main, no_worse) == ("passed",) * 4
    assert between(main, with_speed(main, 1.8), no_worse)[0] == "failed"
    assert between(main, with_speed(main, 1.95, 0.2), no_worse)[0] == "inconclusive"
    assert between(main, with_drop(main, -0.02), no_worse)[1] == "failed"
    assert between(main, with_drop(main, -0.009, 0.002), no_worse)[1] == "inconclusive"
    assert between(main, with_drop(main, 0.02), no_worse)[1] == "passed"
    larger = replace(main, analysis_after=main.analysis)
    assert between(main, larger, no_worse)[2:] == ("failed", "failed")


def test_runs_that_do_not_compare_guard_nothing() -> None:
    main = with_drop(example_run.run(), -0.005)
    limits = Limits(slower_than=1.0, drop_above=5.0)
    nothing = ("inconclusive", "inconclusive")
    other = replace(main, analysis=replace(main.analysis, model=replace(main.analysis.model, sha256="00")))
    assert between(main, other, limits) == nothing
    assert main.fidelity is not None
    unjudged = replace(main, fidelity=None)
    elsewhere = replace(
        unjudged, benchmark=replace(main.benchmark, environment=replace(main.benchmark.environment, cpu="another"))
    )
    assert between(main, elsewhere, limits) == nothing
    assert between(main, with_speed(main, 0.0), limits)[0] == "inconclusive"
    assert between(main, with_speed(main, 1e300), limits)[0] == "inconclusive"
    by_classes = replace(main, fidelity=replace(main.fidelity, metric=None, outputs=(CLASSES,)))
    assert between(main, by_classes, limits)[1] == "inconclusive"
    assert between(by_classes, by_classes, limits)[1] == "passed"

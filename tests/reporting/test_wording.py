from __future__ import annotations

import pytest

from convprof.reporting import wording
from convprof.reporting.charts.scales import around, decades, from_zero
from convprof.reporting.escaping import csv_text, markdown_name, shortened, visible


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "\N{EN DASH}"), (0, "0"), (999, "999"), (999_900, "1.00 M"), (1_814_073_344, "1.81 G"), (3e15, "3,000 T")],
)
def test_quantity(value: float | None, words: str) -> None:
    assert wording.quantity(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.00123, "0.00123"), (12.345, "12.3"), (-4.0, "\N{MINUS SIGN}4.00"), (float("nan"), "not finite")],
)
def test_significant(value: float, words: str) -> None:
    assert wording.significant(value) == words


def test_change_from_nothing_is_not_known() -> None:
    assert wording.change(0, 5) == wording.UNKNOWN
    assert wording.change(4, 5) == "+25.0 %"


@pytest.mark.parametrize(("scale", "decimals"), [(0.8672, 4), (86.72, 2), (30.33, 2), (0.00012, 7), (0.0, 2)])
def test_metric_decimals(scale: float, decimals: int) -> None:
    assert wording.metric_decimals(scale, scale) == decimals


def test_shortened_keeps_both_ends() -> None:
    name = shortened("a" * 500 + "tail")
    assert len(name) == 120
    assert name.startswith("aaa")
    assert name.endswith("tail")


def test_visible_survives_encoding() -> None:
    assert visible("\ud800\x1b\n").encode() == b"\\ud800\\x1b\\n"


def test_csv_apostrophe_is_reversible() -> None:
    assert [csv_text(text) for text in ("=1", "'x", "plain", "@a")] == ["'=1", "''x", "plain", "'@a"]


def test_markdown_name_as_code() -> None:
    assert markdown_name("/layer1/conv") == "`/layer1/conv`"
    assert markdown_name("a|`b") == "<code>a&#124;&#96;b</code>"


@pytest.mark.parametrize("values", [[], [0.0], [-1.0], [float("nan")], [1e-9, 1e12], [5.0], [0.0123]])
def test_scales_stay_on_the_axis(values: list[float]) -> None:
    for scale in (from_zero(values), decades(values)):
        assert scale.low < scale.high
        assert all(0 <= scale.at(stop) <= 100 for stop in scale.stops)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (5.0, 5.0), (1.0, 9.0), (8.0, 9.0), (-2.0, 3.0)])
def test_an_axis_around_two_values_holds_them(low: float, high: float) -> None:
    scale = around(low, high)
    assert scale.low <= low <= high <= scale.high
    assert scale.low < scale.high


@pytest.mark.parametrize("values", [[0.002], [0.5], [1.0], [0.3, 0.4], [0.05, 2.0], [1e-6, 1.0]])
def test_a_logarithmic_axis_has_two_ticks(values: list[float]) -> None:
    assert 2 <= len(decades(values).stops) <= 7

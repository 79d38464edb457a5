"""What a search may lose: as the budget says, or as the verdict allows."""

from __future__ import annotations

from math import inf

import pytest
from msgspec.structs import replace

from convprof.errors import PlanError
from convprof.judgement import within
from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity
from convprof.records.plan import Budget

_OUTPUT = OutputFidelity("y", 0.1, 0.01, 40.0, 0.97, True)


def _fidelity(metric: MetricChange | None = None, output: OutputFidelity = _OUTPUT) -> Fidelity:
    return Fidelity("convprof.fidelity/1", 100, (output,), metric)


def _change(name: str, before: float, after: float) -> MetricChange:
    return MetricChange(name, before, after, after - before, None)


@pytest.mark.parametrize(
    ("name", "before", "after", "most", "loss", "good"),
    [
        ("top1", 0.90, 0.885, 2.0, 1.5, True),
        ("top1", 0.90, 0.885, 1.0, 1.5, False),
        ("psnr", 30.0, 29.75, 0.3, 0.25, True),
        ("mine:score", 200.0, 190.0, 10.0, 10.0, True),
        ("top1", 0.90, 0.92, 0.0, -2.0, True),
    ],
)
def test_a_drop_is_told_in_the_unit_that_people_use(
    name: str, before: float, after: float, most: float, loss: float, good: bool
) -> None:
    budget = Budget(max_drop=most)
    asked, found, accepted = within(_fidelity(_change(name, before, after)), budget)
    assert (asked, accepted) == (budget, good)
    assert found == pytest.approx(loss)


@pytest.mark.parametrize(
    ("metric", "allowed"),
    [
        (_change("top1", 0.9, 0.9), Budget(target_params=0.5, max_drop=1.0)),
        (_change("psnr", 30, 30), Budget(target_params=0.5, max_drop=0.5)),
        (_change("mine:score", 200, 200), Budget(target_params=0.5, max_drop=2.0)),
        (None, Budget(target_params=0.5, max_drop=2.0)),
    ],
)
def test_without_a_limit_it_is_that_of_the_verdict(metric: MetricChange | None, allowed: Budget) -> None:
    asked, _, _ = within(_fidelity(metric), Budget(target_params=0.5))
    assert asked.max_drop == pytest.approx(allowed.max_drop)
    assert replace(asked, max_drop=None) == replace(allowed, max_drop=None)


def test_without_a_metric_the_classes_decide() -> None:
    _, loss, good = within(_fidelity(), Budget(max_drop=2.0))
    assert loss == pytest.approx(3.0)
    assert not good


def test_outputs_that_are_no_classes_are_told_in_decibels() -> None:
    picture = replace(_OUTPUT, top1_agreement=None)
    asked, ratio, good = within(_fidelity(output=picture), Budget())
    assert (asked.min_sqnr, ratio, good) == (20.0, 40.0, True)
    with pytest.raises(PlanError, match="no metric"):
        within(_fidelity(output=picture), Budget(max_drop=1.0))


@pytest.mark.parametrize(
    ("budget", "told", "good"),
    [
        (Budget(max_drop=1.0, min_sqnr=30.0), 2.0, False),
        (Budget(max_drop=5.0, min_sqnr=50.0), 40.0, False),
        (Budget(max_drop=5.0, min_sqnr=30.0), 2.0, True),
    ],
)
def test_both_limits_must_be_kept(budget: Budget, told: float, good: bool) -> None:
    _, found, accepted = within(_fidelity(_change("top1", 0.9, 0.88)), budget)
    assert found == pytest.approx(told)
    assert accepted == good


def test_equal_outputs_are_infinitely_good_and_those_that_are_no_numbers_never() -> None:
    equal = replace(_OUTPUT, sqnr_db=None)
    assert within(_fidelity(output=equal), Budget(min_sqnr=200.0))[1:] == (inf, True)
    broken = replace(_OUTPUT, finite=False)
    assert not within(_fidelity(_change("top1", 0.9, 0.9), broken), Budget(max_drop=5.0))[2]

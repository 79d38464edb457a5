from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from planned_networks import FORM, analysis_of, check_whole, network, prices_of, report

from convprof import planning
from convprof.errors import PlanError
from convprof.forms import FORMS
from convprof.planning import Choice
from convprof.records.analysis import Analysis
from convprof.records.convs import Rank
from convprof.records.plan import Budget, Plan


def _nothing(layers: Collection[str]) -> tuple[str, ...]:
    """No conv stands behind another."""
    return ()


def _choice(analysis: Analysis, seed: int, only: tuple[str, ...] = ()) -> Choice:
    """Every form and rank of the convs, at damages that fall with the rank; no prices."""
    random = np.random.default_rng(seed)
    convs = planning.select(analysis, only, ())
    offers = planning.offered(convs, list(FORMS), None)
    damages: dict[tuple[str, str, Rank], float] = {}
    for every in offers.by_layer.values():
        for form in FORMS:
            ranks = [each.rank for each in every if each.form == form]
            falling = np.sort(random.uniform(0, 1, len(ranks)))[::-1]
            damages |= {(every[0].name, form, rank): float(each) for rank, each in zip(ranks, falling, strict=True)}
    return Choice(analysis, convs, offers, damages, None, _nothing)


def _priced() -> Choice:
    """Two convs of 1 ms each in a model of 3 ms; ranks 1 and 2 take 0.25 and 0.5 ms at damage 4 and 1, or 8 and 2."""
    analysis = analysis_of(report("a"), report("b"))
    candidates: dict[tuple[str, Rank], float] = {(name, (rank,)): 0.25 * rank for name in "ab" for rank in (1, 2)}
    prices = prices_of(analysis, {"a": 1.0, "b": 1.0}, candidates)
    offers = planning.offered(analysis.convs, [FORM], prices)
    damages: dict[tuple[str, str, Rank], float] = {
        ("a", FORM, (1,)): 4.0,
        ("a", FORM, (2,)): 1.0,
        ("b", FORM, (1,)): 8.0,
        ("b", FORM, (2,)): 2.0,
    }
    return Choice(analysis, analysis.convs, offers, damages, prices, _nothing)


def _taken(plan: Plan) -> dict[str, int]:
    return {layer.name: layer.rank[0] for layer in plan.layers}


class TestCosts:
    @pytest.mark.parametrize("target", [0.35, 0.5, 0.8, 0.999])
    def test_the_budget_is_met_and_the_prediction_is_the_sum(self, target: float) -> None:
        choice = _choice(network(), 1)
        plan = planning.solve(choice, Budget(target_macs=target))
        check_whole(choice.analysis, plan)
        assert plan.predicted.macs is not None
        assert plan.predicted.macs <= target * choice.analysis.totals.macs
        assert plan.budget == Budget(target_macs=target)
        assert plan.layers
        assert plan.predicted.gap is not None
        assert plan.predicted.latency is None
        reasons = {kept.name: kept.reason.code for kept in plan.kept}
        assert reasons.pop("mix") == "pointwise"
        assert set(reasons.values()) <= {"better-dense"}

    def test_several_targets_are_met_at_once(self) -> None:
        choice = _choice(network(), 2)
        plan = planning.solve(choice, Budget(target_macs=0.6, target_params=0.5))
        assert (plan.predicted.macs or 0) <= 0.6 * choice.analysis.totals.macs
        assert (plan.predicted.parameters or 0) <= 0.5 * choice.analysis.totals.parameters

    def test_a_larger_budget_never_does_more_harm(self) -> None:
        choice = _choice(network(), 2)
        harm = [
            planning.solve(choice, Budget(target_macs=float(target))).predicted.damage or 0.0
            for target in np.linspace(0.35, 1, 12)
        ]
        assert all(after <= before * (1 + 1e-5) for before, after in pairwise(harm))

    def test_a_budget_of_everything_keeps_everything(self) -> None:
        choice = _choice(network(), 3)
        plan = planning.solve(choice, Budget(target_macs=1.0))
        assert plan.layers == ()
        assert plan.predicted.macs == choice.analysis.totals.macs
        check_whole(choice.analysis, plan)

    def test_convs_that_were_not_asked_for_are_left_out_and_say_so(self) -> None:
        plan = planning.solve(_choice(network(), 4, only=("body",)), Budget(target_macs=0.8))
        assert [layer.name for layer in plan.layers] == ["body"]
        assert {kept.name: kept.reason.code for kept in plan.kept} == {
            "stem": "skipped",
            "head": "skipped",
            "mix": "pointwise",
        }

    def test_a_target_out_of_reach_is_refused_with_the_cheapest_share(self) -> None:
        choice = _choice(network(), 5)
        totals = choice.analysis.totals
        cheapest = totals.macs + sum(min(each.macs for each in every) for every in choice.offers.by_layer.values())
        share = cheapest / totals.macs
        planning.require_reachable(choice, Budget(target_macs=share))
        for refuse in (planning.solve, planning.require_reachable):
            with pytest.raises(PlanError) as refused:
                refuse(choice, Budget(target_macs=share - 1e-3))
            assert refused.value.what == f"--target-macs {share - 1e-3:g}"
            assert f"{share:.3f}" in refused.value.why
            assert refused.value.remedy

    def test_what_is_reachable_is_solved(self) -> None:
        choice = _choice(network(), 0)
        for target in np.linspace(0.05, 1, 20):
            budget = Budget(target_macs=float(target))
            try:
                planning.require_reachable(choice, budget)
            except PlanError:
                with pytest.raises(PlanError):
                    planning.solve(choice, budget)
            else:
                check_whole(choice.analysis, planning.solve(choice, budget))


class TestTime:
    @pytest.mark.parametrize(
        ("budget", "taken"),
        [
            (Budget(target_latency=0.85), {"a": 2}),
            (Budget(target_latency=0.7), {"a": 2, "b": 2}),
            (Budget(target_latency_ms=2.1), {"a": 2, "b": 2}),
            (Budget(target_latency=0.6), {"a": 1, "b": 2}),
            (Budget(target_latency=0.5), {"a": 1, "b": 1}),
        ],
    )
    def test_the_least_damage_within_the_time_is_chosen(self, budget: Budget, taken: dict[str, int]) -> None:
        plan = planning.solve(_priced(), budget)
        assert _taken(plan) == taken
        saved = sum(1 - 0.25 * rank for rank in taken.values())
        assert plan.predicted.latency_ms == pytest.approx(3 - saved)
        assert plan.predicted.latency == pytest.approx(1 - saved / 3)
        assert plan.predicted.damage == pytest.approx(sum((1 + (n == "b")) * 4 / r**2 for n, r in taken.items()))

    def test_a_time_out_of_reach_names_what_is_in_reach(self) -> None:
        with pytest.raises(PlanError, match=r"0\.500 of the model's time"):
            planning.solve(_priced(), Budget(target_latency=0.49))

    def test_targets_that_exclude_each_other_are_refused(self) -> None:
        """Rank 1 has the time and the parameters, but both convs would have to take it."""
        choice = _priced()
        least = choice.analysis.totals.parameters + sum(
            min(each.parameters for each in every) for every in choice.offers.by_layer.values()
        )
        share = (least + 1) / choice.analysis.totals.parameters
        assert _taken(planning.solve(choice, Budget(target_latency=0.7, target_params=share))) == {"a": 1, "b": 1}

    def test_a_time_without_prices_is_refused(self) -> None:
        with pytest.raises(PlanError, match="nothing is known"):
            planning.solve(_choice(network(), 0), Budget(target_latency=0.5))

    def test_a_conv_that_no_candidate_beats_is_kept_for_that_reason(self) -> None:
        analysis = analysis_of(report("a"), report("b"))
        prices = prices_of(analysis, {"a": 1.0, "b": 1.0}, {("a", (1,)): 0.5, ("b", (1,)): 1.2})
        offers = planning.offered(analysis.convs, [FORM], prices)
        choice = Choice(analysis, analysis.convs, offers, {("a", FORM, (1,)): 1.0}, prices, _nothing)
        plan = planning.solve(choice, Budget(target_latency=0.9))
        assert {kept.name: kept.reason.code for kept in plan.kept} == {"b": "no-faster-form"}


def test_what_stays_dense_behind_what_is_replaced_is_refitted() -> None:
    choice = replace(_priced(), behind=lambda layers: ("b",) if "a" in layers else ())
    plan = planning.solve(choice, Budget(target_latency=0.85))
    assert [(layer.name, layer.form, layer.rank) for layer in plan.layers] == [("a", FORM, (2,)), ("b", "dense", ())]
    assert plan.kept == ()
    assert planning.repriced(choice, plan).predicted.latency == plan.predicted.latency


class TestSweep:
    def test_plans_run_from_gentle_to_harsh(self) -> None:
        plans = planning.sweep(_priced(), Budget(), 8)
        times = [plan.predicted.latency or 1.0 for plan in plans]
        damages = [plan.predicted.damage or 0.0 for plan in plans]
        assert times == sorted(times, reverse=True)
        assert damages == sorted(damages)
        assert times[-1] == pytest.approx(0.5)
        assert len({plan.layers for plan in plans}) == len(plans)

    def test_every_plan_meets_the_other_targets(self) -> None:
        choice = _choice(network(), 1)
        for plan in planning.sweep(choice, Budget(target_params=0.7), 5):
            assert (plan.predicted.parameters or 0) <= 0.7 * choice.analysis.totals.parameters

    def test_nothing_to_gain_is_no_plan(self) -> None:
        analysis = analysis_of(report("a"))
        prices = prices_of(analysis, {"a": 1.0}, {("a", (1,)): 1.5})
        offers = planning.offered(analysis.convs, [FORM], prices)
        assert planning.sweep(Choice(analysis, analysis.convs, offers, {}, prices, _nothing), Budget(), 8) == ()


class TestRepriced:
    def test_the_same_layers_get_what_is_expected_of_them(self) -> None:
        choice = _priced()
        plan = planning.solve(choice, Budget(target_latency=0.6))
        assert (
            planning.repriced(choice, plan).predicted
            == Plan(
                "convprof.plan/1",
                plan.model,
                plan.layers,
                predicted=plan.predicted.__class__(
                    plan.predicted.macs,
                    plan.predicted.parameters,
                    plan.predicted.latency_ms,
                    plan.predicted.latency,
                    plan.predicted.damage,
                ),
            ).predicted
        )

    def test_a_rank_that_was_not_priced_leaves_its_time_and_damage_open(self) -> None:
        choice = _priced()
        layer = planning.solve(choice, Budget(target_latency=0.85)).layers[0].__class__("a", FORM, (3,))
        found = planning.repriced(choice, Plan("convprof.plan/1", choice.analysis.model, (layer,)))
        assert (found.predicted.latency, found.predicted.damage) == (None, None)
        assert found.predicted.macs is not None

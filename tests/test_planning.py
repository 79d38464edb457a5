from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from convprof import planning
from convprof.errors import PlanError
from convprof.forms import FORMS, PLANNABLE
from convprof.macs import chain_macs, chain_parameters, conv_macs, conv_parameters
from convprof.records.analysis import Analysis, ConvReport, Kind, ModelFile, Totals
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.damage import Candidate, Damage
from convprof.records.plan import Plan
from convprof.records.remarks import Remark

_POINTWISE = Remark("pointwise", "the kernel is 1x1: there is nothing to separate")
_OTHER_MACS = 12_345
_FORM = "depthwise-pointwise"


def _report(
    name: str, channels: int = 8, kernel: tuple[int, ...] = (3, 3), size: int = 8, reason: Remark | None = None
) -> ConvReport:
    axes = len(kernel)
    pads = tuple(k // 2 for k in kernel) * 2
    spec = ConvSpec(channels, channels, kernel, (1,) * axes, pads, (1,) * axes)
    output = spec.output_size((size,) * axes)
    kind: Kind = "pointwise" if reason else "standard"
    return ConvReport(
        name=name,
        node_name=name,
        op_type="Conv",
        scope="",
        kind=kind,
        input_shape=(1, channels, *(size,) * axes),
        output_shape=(1, channels, *output),
        weight_shape=spec.weight_shape,
        kernel_shape=kernel,
        strides=spec.strides,
        pads=pads,
        dilations=spec.dilations,
        group=1,
        dtype="float32",
        macs=conv_macs(spec, output),
        parameters=conv_parameters(spec, bias=True),
        share=None,
        eligible=reason is None,
        reason=reason,
    )


def _analysis(*convs: ConvReport) -> Analysis:
    macs = [conv.macs or 0 for conv in convs]
    eligible = [conv for conv in convs if conv.eligible]
    totals = Totals(
        macs=sum(macs) + _OTHER_MACS,
        macs_formula=None,
        parameters=sum(conv.parameters for conv in convs) + 77,
        conv_macs=sum(macs),
        eligible_macs=sum(conv.macs or 0 for conv in eligible),
        eligible_convs=len(eligible),
        convs=len(convs),
    )
    return Analysis("convprof.analysis/1", "0", ModelFile("model.onnx", "0" * 64), (), totals, (), convs)


def _network() -> Analysis:
    return _analysis(
        _report("stem", 4),
        _report("mix", 8, (1, 1), reason=_POINTWISE),
        _report("body", 8),
        _report("head", 16, size=4),
    )


def _site(conv: ConvReport) -> ConvSite:
    assert conv.input_shape is not None
    channels = conv.input_shape[1]
    spec = ConvSpec(channels, channels, conv.kernel_shape, conv.strides, conv.pads, conv.dilations)
    return ConvSite(spec, 1, conv.input_shape[2:])


def _candidates(analysis: Analysis, random: np.random.Generator) -> tuple[Candidate, ...]:
    """Every form and rank of every eligible conv, with errors that fall with the rank."""
    found = []
    for conv in analysis.eligible():
        site = _site(conv)
        for name, form in FORMS.items():
            if form.applies(site.spec) is not None:
                continue
            ranks = form.ranks(site)
            errors = np.sort(random.uniform(0, 1, len(ranks)))[::-1]
            for rank, error in zip(ranks, errors, strict=True):
                chain = form.chain(site.spec, rank)
                found.append(
                    Candidate(conv.name, name, rank, chain_macs(chain, site), chain_parameters(chain), float(error))
                )
    return tuple(found)


def _predicted_by_hand(analysis: Analysis, plan: Plan) -> tuple[int, int]:
    """MACs and parameters of everything outside the plan plus those of the chains in it."""
    layers = {layer.name: layer for layer in plan.layers}
    macs, parameters = analysis.totals.macs, analysis.totals.parameters
    for conv in analysis.convs:
        if conv.name in layers:
            chain = PLANNABLE[layers[conv.name].form].chain(_site(conv).spec, layers[conv.name].rank)
            macs += chain_macs(chain, _site(conv)) - (conv.macs or 0)
            parameters += chain_parameters(chain, bias=True) - conv.parameters
    return macs, parameters


def _check_whole(analysis: Analysis, plan: Plan) -> None:
    """Every conv is either planned or kept for a reason, once; what is predicted is the sum."""
    names = [layer.name for layer in plan.layers] + [kept.name for kept in plan.kept]
    assert sorted(names) == sorted(conv.name for conv in analysis.convs)
    assert all(kept.reason.code and kept.reason.text for kept in plan.kept)
    assert (plan.predicted.macs, plan.predicted.parameters) == _predicted_by_hand(analysis, plan)


class TestSolve:
    @settings(max_examples=80)
    @given(st.integers(0, 10**6), st.integers(1, 4), st.floats(0, 1), st.sampled_from((1.0, 1e-9, 1e9)))
    def test_it_is_the_best_of_all_choices(self, seed: int, layers: int, tightness: float, unit: float) -> None:
        """Random MACs and errors, in any unit of error, against trying every combination."""
        random = np.random.default_rng(seed)
        analysis = _analysis(*(_report(f"conv{i}", int(random.integers(2, 9))) for i in range(layers)))
        convs = analysis.eligible()
        candidates = [
            Candidate(conv.name, _FORM, (d,), int(random.integers(1, (conv.macs or 0) + 50)), 0, unit * random.random())
            for conv in convs
            for d in range(1, int(random.integers(2, 5)))
        ]
        dense = [Candidate(conv.name, "", (), conv.macs or 0, 0, 0.0) for conv in convs]
        options = [[dense[i], *(c for c in candidates if c.name == conv.name)] for i, conv in enumerate(convs)]
        every = [(sum(c.macs for c in choice), sum(c.error for c in choice)) for choice in product(*options)]
        costs = sorted({macs for macs, _ in every})
        limit = costs[int(tightness * (len(costs) - 1))]
        target = (limit + _OTHER_MACS + 0.5) / analysis.totals.macs
        plan = planning.solve(analysis, convs, Damage(tuple(candidates), data_aware=True), target)
        taken = {layer.name: layer.rank for layer in plan.layers}
        chosen = [c for c in candidates if taken.get(c.name) == c.rank]
        spent = sum(c.macs for c in chosen) + sum(conv.macs or 0 for conv in convs if conv.name not in taken)
        best = min(error for macs, error in every if macs <= limit)
        assert spent <= limit
        assert sum(c.error for c in chosen) == pytest.approx(best, rel=1e-5, abs=1e-12 * unit)
        assert plan.predicted.damage == pytest.approx(sum(c.error for c in chosen))

    @pytest.mark.parametrize("target", [0.35, 0.5, 0.8, 0.999])
    def test_the_budget_is_met_and_the_prediction_is_the_sum(self, target: float) -> None:
        analysis = _network()
        damage = Damage(_candidates(analysis, np.random.default_rng(1)), data_aware=False)
        plan = planning.solve(analysis, analysis.eligible(), damage, target)
        _check_whole(analysis, plan)
        assert plan.predicted.macs is not None
        assert plan.predicted.macs <= target * analysis.totals.macs
        assert plan.budget.target_macs == target
        assert plan.layers
        reasons = {kept.name: kept.reason.code for kept in plan.kept}
        assert reasons.pop("mix") == "pointwise"
        assert set(reasons.values()) <= {"better-dense"}

    def test_a_larger_budget_never_does_more_harm(self) -> None:
        analysis = _network()
        damage = Damage(_candidates(analysis, np.random.default_rng(2)), data_aware=True)
        harm = [
            planning.solve(analysis, analysis.eligible(), damage, target).predicted.damage or 0.0
            for target in np.linspace(0.35, 1, 12)
        ]
        assert all(after <= before * (1 + 1e-5) for before, after in pairwise(harm))

    def test_a_budget_of_everything_keeps_everything(self) -> None:
        analysis = _network()
        damage = Damage(_candidates(analysis, np.random.default_rng(3)), data_aware=True)
        plan = planning.solve(analysis, analysis.eligible(), damage, 1.0)
        assert plan.layers == ()
        assert plan.predicted.macs == analysis.totals.macs
        _check_whole(analysis, plan)

    def test_candidates_without_error_are_still_not_taken_over_budget(self) -> None:
        analysis = _analysis(_report("a"), _report("b"))
        dense = analysis.convs[0].macs or 0
        free = tuple(Candidate(name, _FORM, (1,), dense // 2, 0, 0.0) for name in "ab")
        plan = planning.solve(analysis, analysis.convs, Damage(free, data_aware=True), 0.6)
        assert len(plan.layers) == 2

    @pytest.mark.parametrize("second", ["allowed", "nothing"])
    def test_a_choice_that_the_solver_takes_within_its_tolerance_is_made_again(
        self, second: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The tempting candidate oversteps the limit by one MAC in seven million."""
        analysis = _analysis(_report("a", 64, size=16), _report("b", 64, size=16))
        dense = analysis.convs[0].macs or 0
        limit = dense + dense // 2
        tempting = Candidate("a", _FORM, (3,), limit - dense + 1, 0, 1e-3)
        allowed = Candidate("a", _FORM, (2,), limit - dense, 0, 0.5)
        answers = iter([[tempting], [allowed] if second == "allowed" else None])
        monkeypatch.setattr(planning, "_least_error", lambda *_: next(answers))
        damage = Damage((tempting, allowed), data_aware=True)
        plan = planning.solve(analysis, analysis.convs, damage, (limit + _OTHER_MACS + 0.5) / analysis.totals.macs)
        assert [layer.rank for layer in plan.layers] == [(2,)]

    def test_convs_that_were_not_asked_for_are_left_out_and_say_so(self) -> None:
        analysis = _network()
        convs = planning.select(analysis, ("body",), ())
        damage = Damage(_candidates(analysis, np.random.default_rng(4)), data_aware=True)
        plan = planning.solve(analysis, convs, damage, 0.8)
        assert [layer.name for layer in plan.layers] == ["body"]
        assert {kept.name: kept.reason.code for kept in plan.kept} == {
            "stem": "skipped",
            "head": "skipped",
            "mix": "pointwise",
        }

    def test_an_unreachable_budget_is_refused(self) -> None:
        analysis = _network()
        damage = Damage(_candidates(analysis, np.random.default_rng(5)), data_aware=True)
        with pytest.raises(PlanError) as refused:
            planning.solve(analysis, analysis.eligible(), damage, 0.01)
        assert "--target-macs" in refused.value.what


class TestRequireReachable:
    def test_the_share_of_the_cheapest_choice_is_named(self) -> None:
        analysis = _network()
        candidates = _candidates(analysis, np.random.default_rng(0))
        cheapest = analysis.totals.macs + sum(
            min(c.macs for c in candidates if c.name == conv.name) - (conv.macs or 0) for conv in analysis.eligible()
        )
        share = cheapest / analysis.totals.macs
        planning.require_reachable(analysis, analysis.eligible(), list(FORMS), share)
        with pytest.raises(PlanError) as refused:
            planning.require_reachable(analysis, analysis.eligible(), list(FORMS), share - 1e-3)
        assert refused.value.what == f"--target-macs {share - 1e-3:g}"
        assert f"{share:.3f}" in refused.value.why
        assert refused.value.remedy

    def test_what_is_reachable_is_solved(self) -> None:
        analysis = _network()
        damage = Damage(_candidates(analysis, np.random.default_rng(0)), data_aware=True)
        for target in np.linspace(0.05, 1, 20):
            try:
                planning.require_reachable(analysis, analysis.eligible(), list(FORMS), target)
            except PlanError:
                with pytest.raises(PlanError):
                    planning.solve(analysis, analysis.eligible(), damage, target)
            else:
                _check_whole(analysis, planning.solve(analysis, analysis.eligible(), damage, target))

    def test_an_unknown_form_is_refused(self) -> None:
        with pytest.raises(PlanError, match="no such form"):
            planning.require_reachable(_network(), _network().eligible(), ["tucker"], 1.0)


class TestUniform:
    @pytest.mark.parametrize(("form", "rank"), [(_FORM, (2,)), ("pointwise-depthwise", (1,)), ("spatial", (3,))])
    def test_one_choice_for_all(self, form: str, rank: Rank) -> None:
        analysis = _network()
        plan = planning.uniform(analysis, analysis.eligible(), form, rank, None)
        assert [(layer.name, layer.form, layer.rank) for layer in plan.layers] == [
            (name, form, rank) for name in ("stem", "body", "head")
        ]
        assert {layer.emission for layer in plan.layers} == {FORMS[form].emissions[0]}
        assert plan.predicted.damage is None
        _check_whole(analysis, plan)

    def test_a_rank_is_cut_to_what_the_conv_can_use(self) -> None:
        analysis = _analysis(_report("narrow", 2), _report("wide", 16))
        plan = planning.uniform(analysis, analysis.convs, _FORM, (100,), None)
        assert [layer.rank for layer in plan.layers] == [(2,), (9,)]

    def test_convs_that_the_form_does_not_suit_say_why(self) -> None:
        analysis = _analysis(_report("row", 8, (1, 3)), _report("square"), _report("other"))
        plan = planning.uniform(analysis, analysis.convs[:2], "spatial", (2,), None)
        assert [layer.name for layer in plan.layers] == ["square"]
        assert {kept.name: kept.reason.code for kept in plan.kept} == {"row": "one-axis", "other": "skipped"}
        _check_whole(analysis, plan)

    def test_the_emission_is_taken_as_given(self) -> None:
        analysis = _network()
        plan = planning.uniform(analysis, analysis.eligible(), _FORM, (2,), "concat")
        assert {layer.emission for layer in plan.layers} == {"concat"}

    @pytest.mark.parametrize(("form", "rank"), [("tucker", (1,)), (_FORM, (0,)), (_FORM, ()), (_FORM, (1, 2))])
    def test_forms_and_ranks_that_do_not_exist_are_refused(self, form: str, rank: Rank) -> None:
        with pytest.raises(PlanError):
            planning.uniform(_network(), _network().eligible(), form, rank, None)

    def test_an_emission_that_the_form_does_not_have_is_refused(self) -> None:
        with pytest.raises(PlanError, match="concat"):
            planning.uniform(_network(), _network().eligible(), "spatial", (2,), "concat")

    def test_a_form_that_suits_nothing_is_refused(self) -> None:
        analysis = _analysis(_report("row", 8, (1, 3)))
        with pytest.raises(PlanError, match="suits none"):
            planning.uniform(analysis, analysis.convs, "spatial", (2,), None)


class TestRefitted:
    def test_what_is_kept_behind_is_refitted_in_the_order_of_the_graph(self) -> None:
        names = [layer.name for layer in _refitted(_network(), "body", behind=("mix", "body", "head")).layers]
        assert names == ["body", "head"]

    def test_the_rest_stays_as_it_is(self) -> None:
        """Before what is replaced, on a branch beside it, 1x1, or left out by the user."""
        analysis = _network()
        assert _refitted(analysis, "head", behind=()) == _planned(analysis, "head")
        assert _refitted(analysis, "stem", behind=("mix",)) == _planned(analysis, "stem")
        skipping = tuple(conv for conv in analysis.convs if conv.name == "stem")
        behind = ("mix", "body", "head")
        assert planning.refitted(_planned(analysis, "stem"), analysis, skipping, behind) == _planned(analysis, "stem")

    def test_it_is_listed_once_and_costs_what_it_did(self) -> None:
        analysis = _network()
        before, plan = _planned(analysis, "stem"), _refitted(analysis, "stem", behind=("mix", "body", "head"))
        assert [(layer.name, layer.form, layer.rank) for layer in plan.layers[1:]] == [
            ("body", "dense", ()),
            ("head", "dense", ()),
        ]
        assert [kept.name for kept in plan.kept] == ["mix"]
        assert plan.predicted == before.predicted

    def test_a_bias_that_it_did_not_have_is_counted(self) -> None:
        stem, body = _report("stem"), _report("body")
        bare = replace(body, parameters=body.parameters - 8)
        analysis = _analysis(stem, bare)
        _check_whole(analysis, _refitted(analysis, "stem", behind=("body",)))

    def test_no_plan_is_made_of_it_alone(self) -> None:
        with pytest.raises(PlanError, match="no such form"):
            planning.uniform(_network(), _network().eligible(), "dense", (1,), None)


def _planned(analysis: Analysis, *names: str) -> Plan:
    return planning.uniform(analysis, [c for c in analysis.eligible() if c.name in names], _FORM, (1,), None)


def _refitted(analysis: Analysis, *names: str, behind: tuple[str, ...]) -> Plan:
    return planning.refitted(_planned(analysis, *names), analysis, analysis.convs, behind)


class TestSelect:
    def test_all_that_is_eligible_is_wanted(self) -> None:
        assert [conv.name for conv in planning.select(_network(), (), ())] == ["stem", "body", "head"]

    def test_only_and_skip(self) -> None:
        assert [conv.name for conv in planning.select(_network(), ("head", "stem"), ())] == ["stem", "head"]
        assert [conv.name for conv in planning.select(_network(), (), ("stem",))] == ["body", "head"]
        assert [conv.name for conv in planning.select(_network(), ("head", "stem"), ("stem",))] == ["head"]

    @pytest.mark.parametrize(("only", "skip", "option"), [(("haed",), (), "--only"), ((), ("haed",), "--skip")])
    def test_a_name_that_is_not_there_is_named(self, only: tuple[str, ...], skip: tuple[str, ...], option: str) -> None:
        with pytest.raises(PlanError) as refused:
            planning.select(_network(), only, skip)
        assert refused.value.what == f"{option} 'haed'"

    @pytest.mark.parametrize(("only", "skip"), [(("mix",), ()), (("body",), ("body",))])
    def test_nothing_left_to_convert_is_refused(self, only: tuple[str, ...], skip: tuple[str, ...]) -> None:
        with pytest.raises(PlanError, match="no conv is left"):
            planning.select(_network(), only, skip)


def test_a_conv_of_unknown_shape_asks_for_the_shape() -> None:
    unknown = ConvReport(
        **{field: getattr(_report("a"), field) for field in ConvReport.__struct_fields__} | {"input_shape": None}
    )
    with pytest.raises(PlanError) as refused:
        planning.uniform(_analysis(unknown), (unknown,), _FORM, (1,), None)
    assert "--input-shape" in refused.value.remedy

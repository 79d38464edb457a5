from __future__ import annotations

import pytest
from planned_networks import FORM, analysis_of, check_whole, network, report

from convprof import planning
from convprof.errors import PlanError
from convprof.forms import FORMS
from convprof.records.analysis import ConvReport
from convprof.records.convs import Rank


class TestUniform:
    @pytest.mark.parametrize(("form", "rank"), [(FORM, (2,)), ("pointwise-depthwise", (1,)), ("spatial", (3,))])
    def test_one_choice_for_all(self, form: str, rank: Rank) -> None:
        analysis = network()
        plan = planning.uniform(analysis, analysis.eligible(), form, rank, None)
        assert [(layer.name, layer.form, layer.rank) for layer in plan.layers] == [
            (name, form, rank) for name in ("stem", "body", "head")
        ]
        assert {layer.emission for layer in plan.layers} == {FORMS[form].emissions[0]}
        assert plan.predicted.damage is None
        check_whole(analysis, plan)

    def test_a_rank_is_cut_to_what_the_conv_can_use(self) -> None:
        analysis = analysis_of(report("narrow", 2), report("wide", 16))
        plan = planning.uniform(analysis, analysis.convs, FORM, (100,), None)
        assert [layer.rank for layer in plan.layers] == [(2,), (9,)]

    def test_convs_that_the_form_does_not_suit_say_why(self) -> None:
        analysis = analysis_of(report("row", 8, (1, 3)), report("square"), report("other"))
        plan = planning.uniform(analysis, analysis.convs[:2], "spatial", (2,), None)
        assert [layer.name for layer in plan.layers] == ["square"]
        assert {kept.name: kept.reason.code for kept in plan.kept} == {"row": "one-axis", "other": "skipped"}
        check_whole(analysis, plan)

    def test_the_emission_is_taken_as_given(self) -> None:
        analysis = network()
        plan = planning.uniform(analysis, analysis.eligible(), FORM, (2,), "concat")
        assert {layer.emission for layer in plan.layers} == {"concat"}

    @pytest.mark.parametrize(("form", "rank"), [("tucker", (1,)), (FORM, (0,)), (FORM, ()), (FORM, (1, 2))])
    def test_forms_and_ranks_that_do_not_exist_are_refused(self, form: str, rank: Rank) -> None:
        with pytest.raises(PlanError):
            planning.uniform(network(), network().eligible(), form, rank, None)

    def test_an_emission_that_the_form_does_not_have_is_refused(self) -> None:
        with pytest.raises(PlanError, match="concat"):
            planning.uniform(network(), network().eligible(), "spatial", (2,), "concat")

    def test_a_form_that_suits_nothing_is_refused(self) -> None:
        analysis = analysis_of(report("row", 8, (1, 3)))
        with pytest.raises(PlanError, match="suits none"):
            planning.uniform(analysis, analysis.convs, "spatial", (2,), None)


def test_a_conv_of_unknown_shape_asks_for_the_shape() -> None:
    unknown = ConvReport(
        **{field: getattr(report("a"), field) for field in ConvReport.__struct_fields__} | {"input_shape": None}
    )
    with pytest.raises(PlanError) as refused:
        planning.uniform(analysis_of(unknown), (unknown,), FORM, (1,), None)
    assert "--input-shape" in refused.value.remedy

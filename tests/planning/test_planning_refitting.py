from __future__ import annotations

import pytest
from msgspec.structs import replace
from planned_networks import FORM, analysis_of, check_whole, network, report

from convprof import planning
from convprof.errors import PlanError
from convprof.records.analysis import Analysis
from convprof.records.plan import Plan


class TestRefitted:
    def test_what_is_kept_behind_is_refitted_in_the_order_of_the_graph(self) -> None:
        names = [layer.name for layer in _refitted(network(), "body", behind=("mix", "body", "head")).layers]
        assert names == ["body", "head"]

    def test_the_rest_stays_as_it_is(self) -> None:
        """Before what is replaced, on a branch beside it, 1x1, or left out by the user."""
        analysis = network()
        assert _refitted(analysis, "head", behind=()) == _planned(analysis, "head")
        assert _refitted(analysis, "stem", behind=("mix",)) == _planned(analysis, "stem")
        skipping = tuple(conv for conv in analysis.convs if conv.name == "stem")
        behind = ("mix", "body", "head")
        assert planning.refitted(_planned(analysis, "stem"), analysis, skipping, behind) == _planned(analysis, "stem")

    def test_it_is_listed_once_and_costs_what_it_did(self) -> None:
        analysis = network()
        before, plan = _planned(analysis, "stem"), _refitted(analysis, "stem", behind=("mix", "body", "head"))
        assert [(layer.name, layer.form, layer.rank) for layer in plan.layers[1:]] == [
            ("body", "dense", ()),
            ("head", "dense", ()),
        ]
        assert [kept.name for kept in plan.kept] == ["mix"]
        assert plan.predicted == before.predicted

    def test_a_bias_that_it_did_not_have_is_counted(self) -> None:
        stem, body = report("stem"), report("body")
        bare = replace(body, parameters=body.parameters - 8)
        analysis = analysis_of(stem, bare)
        check_whole(analysis, _refitted(analysis, "stem", behind=("body",)))

    def test_no_plan_is_made_of_it_alone(self) -> None:
        with pytest.raises(PlanError, match="no such form"):
            planning.uniform(network(), network().eligible(), "dense", (1,), None)


def _planned(analysis: Analysis, *names: str) -> Plan:
    return planning.uniform(analysis, [c for c in analysis.eligible() if c.name in names], FORM, (1,), None)


def _refitted(analysis: Analysis, *names: str, behind: tuple[str, ...]) -> Plan:
    return planning.refitted(_planned(analysis, *names), analysis, analysis.convs, behind)

from __future__ import annotations

import pytest
from planned_networks import FORM, analysis_of, network, prices_of, report

from convprof import planning
from convprof.errors import PlanError
from convprof.forms import FORMS


def test_without_prices_all_that_the_forms_offer_is_offered() -> None:
    found = planning.offered(network().eligible(), list(FORMS), None)
    assert set(found.by_layer) == {"stem", "body", "head"}
    assert {each.form for each in found.by_layer["body"]} <= set(FORMS)
    assert all(each.macs < 0 and each.milliseconds is None for each in found.by_layer["body"])
    assert found.refused == {}


def test_only_what_is_measurably_faster_is_offered() -> None:
    analysis = analysis_of(report("a"), report("b"))
    prices = prices_of(analysis, {"a": 1.0, "b": 1.0}, {("a", (1,)): 0.5, ("a", (2,)): 0.97, ("b", (1,)): 0.99})
    found = planning.offered(analysis.convs, [FORM], prices)
    assert [each.rank for each in found.by_layer["a"]] == [(1,)]
    assert found.by_layer["a"][0].milliseconds == pytest.approx(-0.5)
    assert "b" not in found.by_layer
    assert found.refused["b"].code == "no-faster-form"
    assert "0.99" in found.refused["b"].text


def test_a_rank_that_takes_as_long_as_a_higher_one_is_not_offered() -> None:
    analysis = analysis_of(report("a"))
    prices = prices_of(analysis, {"a": 1.0}, {("a", (1,)): 0.4, ("a", (2,)): 0.6, ("a", (3,)): 0.5})
    found = planning.offered(analysis.convs, [FORM], prices)
    assert [each.rank for each in found.by_layer["a"]] == [(1,), (3,)]


def test_of_several_emissions_the_fastest_is_offered() -> None:
    analysis = analysis_of(report("a"))
    prices = prices_of(analysis, {"a": 1.0}, {("a", (2,)): 0.6}, {("a", (2,)): 0.4})
    (offer,) = planning.offered(analysis.convs, [FORM], prices).by_layer["a"]
    assert offer.emission == "concat"
    assert offer.milliseconds == pytest.approx(-0.6)


def test_a_conv_without_a_price_says_so() -> None:
    analysis = analysis_of(report("a"), report("b"))
    prices = prices_of(analysis, {"a": 1.0}, {("a", (1,)): 0.5})
    assert planning.offered(analysis.convs, [FORM], prices).refused["b"].code == "not-priced"


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(PlanError, match="no such form"):
        planning.offered(network().eligible(), ["tucker"], None)

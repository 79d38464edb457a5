"""Every candidate of a real model gets its price in the graph that would be emitted."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from priced import QUICK, opened

from convprof import execution, pricing
from convprof.errors import PlanError
from convprof.forms import FORMS
from convprof.graph import find_convs
from convprof.latency import dense_ms, predicted_ms
from convprof.pricing.building import build
from convprof.pricing.variants import variants
from convprof.records.plan import PlannedLayer
from convprof.records.prices import LatencyTable
from convprof.runtime import RunOptions, open_session


@pytest.fixture(scope="module")
def seen() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory, seen: list[tuple[str, int, int]]) -> LatencyTable:
    model, analysis = opened()
    folder = tmp_path_factory.mktemp("prices")
    table = pricing.price(
        model,
        analysis,
        analysis.eligible(),
        ["depthwise-pointwise", "channel"],
        execution.example_feeds(model.inputs, seed=0),
        options=RunOptions(),
        seed=0,
        timer=time.perf_counter,
        folder=folder,
        effort=QUICK,
        progress=lambda *step: seen.append(step),
    )
    assert list(folder.iterdir()) == []
    return table


def test_every_layer_and_every_candidate_has_a_price(prices: LatencyTable) -> None:
    model, analysis = opened()
    assert [layer.name for layer in prices.layers] == [conv.name for conv in analysis.convs]
    expected = {
        (conv.name, form, rank, "sum")
        for conv in find_convs(model)
        for form in ("depthwise-pointwise", "channel")
        if FORMS[form].applies(conv.known_site.spec) is None
        for rank in FORMS[form].ranks(conv.known_site)
    }
    priced = {(c.name, c.form, c.rank, c.emission) for c in prices.candidates}
    assert {c for c in priced if c[3] == "sum"} == expected
    assert {c[3] for c in priced} == {"sum", "concat", "multiplier"}
    assert len(priced) == len(prices.candidates)
    times = [layer.time for layer in prices.layers] + [candidate.time for candidate in prices.candidates]
    assert all(time.rounds == 2 for time in times)


def test_all_time_is_placed(prices: LatencyTable) -> None:
    assert prices.probes[0].label == "dense"
    for probe in prices.probes:
        assert probe.unmapped == 0
        assert probe.layers > 0
        assert probe.rest > 0
        assert probe.end_to_end.ms > 0
    codes = {caution.code for caution in prices.cautions}
    assert "few-rounds" in codes
    assert not codes & {"unmapped-time", "no-layer-times"}


def test_progress_is_told_visit_by_visit(prices: LatencyTable, seen: list[tuple[str, int, int]]) -> None:
    total = 2 * len(prices.probes)
    assert seen == [("price", done, total) for done in range(1, total + 1)]


def test_the_table_says_what_it_is_of(prices: LatencyTable) -> None:
    model, _ = opened()
    assert prices.model == model.file
    assert prices.inputs == model.inputs
    assert prices.precision == "float32"
    assert prices.environment.threads == 1


@pytest.mark.parametrize(
    "other",
    [
        RunOptions(threads=2),
        RunOptions(inter_op_threads=2),
        RunOptions(graph_optimization="basic"),
        RunOptions(session_options=("session.intra_op.allow_spinning=0",)),
    ],
)
def test_prices_fit_only_what_runs_in_the_same_way(prices: LatencyTable, other: RunOptions) -> None:
    model, analysis = opened()
    arguments = (prices, model, analysis.eligible(), ["channel"])
    assert pricing.fits(*arguments, RunOptions())
    assert not pricing.fits(*arguments, other)


def test_a_plan_is_predicted_from_the_prices_of_its_layers(prices: LatencyTable) -> None:
    whole = dense_ms(prices)
    assert predicted_ms(prices, []) == whole > 0
    candidate = prices.candidates[0]
    plan = [PlannedLayer(candidate.name, candidate.form, candidate.rank, candidate.emission)]
    dense = next(layer.time.ms for layer in prices.layers if layer.name == candidate.name)
    assert predicted_ms(prices, plan) == pytest.approx(whole - dense + candidate.time.ms)


def test_at_rank_1_emissions_are_one_graph_and_timed_once() -> None:
    model, _ = opened()
    found = list(variants(find_convs(model), ["depthwise-pointwise"]))
    assert found[0].layers == ()
    candidates = [(each.name, each.rank, each.emission) for variant in found for each in variant.layers]
    assert len(candidates) == len(set(candidates))
    assert {emission for _, rank, emission in candidates if rank == (1,)} == {"sum"}


def test_the_models_to_time_compute_numbers_and_hold_no_weights(tmp_path: Path) -> None:
    model, analysis = opened()
    probes, files = build(model, analysis, analysis.eligible(), ["depthwise-pointwise", "tucker2"], tmp_path)
    assert {file.name for file in files} == {file.name for file in tmp_path.iterdir()}
    feeds = execution.example_feeds(model.inputs, seed=0)
    for probe in probes.models[::5]:
        for values in open_session(tmp_path / probe.file).run(feeds).values():
            assert np.isfinite(values).all()
            assert np.abs(values).max() > 1e-6
    stand_ins = [file for file in files if file.suffix == ".weights"]
    assert all(np.fromfile(file, np.float32).all() for file in stand_ins)
    assert max(file.stat().st_size for file in files if file.suffix == ".onnx") < 200_000


def test_what_cannot_be_priced_is_refused(tmp_path: Path) -> None:
    model, analysis = opened()
    with pytest.raises(PlanError, match="no such form"):
        build(model, analysis, analysis.eligible(), ["magic"], tmp_path)
    with pytest.raises(PlanError, match="cheaper"):
        build(model, analysis, [], ["channel"], tmp_path)
    assert list(tmp_path.iterdir()) == []

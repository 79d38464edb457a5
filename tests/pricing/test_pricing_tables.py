"""From times of nodes to prices, on times that were made up."""

from __future__ import annotations

import pytest

from convprof.latency import dense_ms, predicted_ms
from convprof.pricing.tables import table
from convprof.records.analysis import ModelFile
from convprof.records.benchmark import Environment
from convprof.records.plan import PlannedLayer
from convprof.records.probes import KernelTimes, ModelVisits, Probe, Probes, ProbeTimes

ENVIRONMENT = Environment("cpu", 1, 1, ("CPUExecutionProvider",), "1", "os", "3", "2", "0")
CANDIDATE = PlannedLayer("a", "channel", (8,))
OWNERS = {"a": "a", "b": "b", "pool": ""}


def node(name: str, *ms: float) -> KernelTimes:
    return KernelTimes(name, "Conv", "CPUExecutionProvider", (), (), ms)


def times(dense: ModelVisits, replaced: ModelVisits) -> ProbeTimes:
    models = (Probe("dense", "0.onnx", (), OWNERS), Probe("channel", "1.onnx", (CANDIDATE,), OWNERS))
    file = ModelFile("net.onnx", "0" * 64)
    probes = Probes("convprof.probes/1", "0", file, (), "float32", ("a", "b"), models)
    return ProbeTimes("convprof.probe-times/1", probes, ENVIRONMENT, (dense, replaced))


DENSE = ModelVisits("dense", (9.5, 9.5, 9.5), (node("a", 5, 5, 6), node("b", 2, 2, 2), node("pool", 1, 1, 1)))
SPLIT = (node("a/convprof/0", 1, 1, 1), node("a/convprof/1", 1, 1, 1), node("b", 2, 2, 2), node("pool", 1, 1, 1))


def test_prices_are_kernels_and_the_overhead_of_their_nodes() -> None:
    found = table(times(DENSE, ModelVisits("channel", (7.0, 7.0, 7.0), SPLIT)))
    # Beyond the kernels: 1.5 ms for 3 nodes (9.5 - 8), 2 ms for 4 nodes (7 - 5).
    assert found.node_overhead == pytest.approx(0.5)
    assert [(layer.name, layer.time.ms) for layer in found.layers] == [("a", 5.5), ("b", 2.5)]
    assert found.layers[0].time.iqr == pytest.approx(0.5)
    (candidate,) = found.candidates
    assert (candidate.name, candidate.form, candidate.rank) == ("a", "channel", (8,))
    assert candidate.time.ms == pytest.approx(2 + 2 * 0.5)
    assert (found.probes[1].nodes, found.probes[1].layers, found.probes[1].rest) == (4, 4, 1)
    assert dense_ms(found) == pytest.approx(9.5)
    assert predicted_ms(found, [CANDIDATE]) == pytest.approx(7)


def test_a_profile_that_costs_more_than_the_runtime_is_taken_off() -> None:
    dense = ModelVisits("dense", (5.0, 5.0, 5.0), DENSE.nodes)
    found = table(times(dense, ModelVisits("channel", (0.5, 0.5, 0.5), SPLIT)))
    assert found.node_overhead == pytest.approx(-1.0625)
    assert found.layers[0].time.ms == pytest.approx(5 - 1.0625)
    assert found.candidates[0].time.ms == 0


def test_whole_runs_that_others_disturbed_are_not_taken_for_overhead() -> None:
    found = table(times(ModelVisits("dense", (7.9, 7.9, 7.9), DENSE.nodes), ModelVisits("channel", (90.0,) * 3, SPLIT)))
    assert found.node_overhead == 0
    assert dense_ms(found) == 8
    assert [caution.code for caution in found.cautions] == ["unexplained-time"]


def test_a_provider_that_runs_the_graph_as_one_node_leaves_no_prices_but_a_caution() -> None:
    whole = [ModelVisits(label, (9.0, 9.0, 9.0), (node("engine_0", 8, 8, 8),)) for label in ("dense", "channel")]
    found = table(times(whole[0], whole[1]))
    assert [probe.unmapped for probe in found.probes] == [8, 8]
    assert {caution.code for caution in found.cautions} == {"unmapped-time", "no-layer-times"}


def test_a_provider_without_any_profile_leaves_end_to_end_times() -> None:
    silent = [ModelVisits(label, (9.0, 9.0, 9.0), ()) for label in ("dense", "channel")]
    found = table(times(silent[0], silent[1]))
    assert found.probes[0].end_to_end.ms == 9
    assert [caution.code for caution in found.cautions] == ["no-layer-times"]


def test_rounds_that_differ_and_are_few_are_cautioned() -> None:
    noisy = [ModelVisits(label, (5.0, 10.0), (node("a", 4, 8),)) for label in ("dense", "channel")]
    assert {caution.code for caution in table(times(noisy[0], noisy[1])).cautions} == {"few-rounds", "noisy"}

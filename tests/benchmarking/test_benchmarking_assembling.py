from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convprof import gates
from convprof.benchmarking import compare, throughput
from convprof.benchmarking.assembling import processes, taken, times, with_comparisons
from convprof.benchmarking.rounds import Series
from convprof.records.benchmark import Benchmark, Environment
from convprof.records.files import decode, encode
from convprof.records.gates import Gate, Limits
from convprof.records.remarks import Remark

NOWHERE = Environment("cpu", 1, 1, (), "1", "linux", "3", "2", "0")


def series(*samples: float) -> Series:
    return Series(load_ms=10.0, first_ms=5.0, samples_ms=samples)


def benchmark(*runs: tuple[Series, ...], twinned: bool = False) -> Benchmark:
    """What comes of the series of every process, each in the order of the models."""
    found = taken(runs, settle=True, twinned=twinned)
    names = [(f"{number}.onnx", "") for number in range(len(runs[0]) - twinned)]
    models, twin = times(names, found)
    made = Benchmark("convprof.benchmark/1", models, (), NOWHERE, processes=processes(found), twin=twin)
    return with_comparisons(made, seed=0)


def scaled(factor: float, count: int = 60, seed: int = 0) -> Series:
    return series(*(factor * np.random.default_rng(seed).normal(1, 0.01, count)).tolist())


def test_processes_stand_one_after_another_and_are_told_apart() -> None:
    found = benchmark((series(2, 2, 2), series(1, 1, 1)), (series(4, 4, 4, 4), series(1, 1, 1, 1)))
    assert found.models[0].samples_ms == (2, 2, 2, 4, 4, 4, 4)
    assert [each.rounds for each in found.processes] == [3, 4]
    assert found.comparisons[0].speedup == pytest.approx(8**0.5)
    assert decode(encode(found).encode(), Benchmark, "benchmark") == found


def test_what_differs_between_processes_is_in_the_interval() -> None:
    """Within each process the ratio is as good as certain, and yet nothing can be said."""
    runs = [(scaled(factor, seed=2), scaled(1, seed=2)) for factor in (0.9, 1.1, 1.2)]
    low, high = benchmark(*runs).comparisons[0].interval
    assert low < 0.9
    assert high > 1.2
    assert benchmark(runs[2]).comparisons[0].verdict == "faster"


def test_rounds_that_have_not_settled_are_kept_apart_for_all_models() -> None:
    late = series(*[3.0] * 10, *scaled(1).samples_ms)
    found = benchmark((late, scaled(2, 70, seed=1)))
    assert found.processes[0].settling == 10
    assert found.processes[0].rounds == 60
    assert found.models[0].settling_ms == (3.0,) * 10
    assert found.models[0].samples_ms == late.samples_ms[10:]
    assert len(found.models[1].settling_ms) == 10


def test_the_twin_makes_the_floor_and_is_no_model() -> None:
    found = benchmark((scaled(1), scaled(0.5, seed=1), scaled(1.03, seed=2)), twinned=True)
    assert len(found.models) == 2
    assert found.twin is not None
    assert found.twin.path == "0.onnx"
    assert found.floor is not None
    assert (found.floor.baseline, found.floor.candidate) == (0, 0)
    assert found.floor.speedup == pytest.approx(1 / 1.03, abs=0.01)
    assert found.comparisons[0].verdict == "faster"


def test_a_difference_within_the_floor_of_one_process_is_none() -> None:
    one = (scaled(1), scaled(0.97, seed=1), scaled(1.06, seed=2))
    alone = benchmark(one, twinned=True)
    assert alone.comparisons[0].interval[0] > 1
    assert alone.comparisons[0].verdict == "no-measurable-difference"
    assert compare(alone, 0, 1) == alone.comparisons[0]
    assert benchmark(one[:2]).comparisons[0].verdict == "faster"
    several = benchmark(
        *[(scaled(1, seed=s), scaled(0.97, seed=s + 9), scaled(1.06, seed=s)) for s in range(5)], twinned=True
    )
    assert several.comparisons[0].verdict == "faster"


def held(found: Benchmark, limit: float) -> Gate:
    """What comes of a limit for the first comparison."""
    return gates.of_times(found, Limits(slower_than=limit))[0]


@pytest.mark.parametrize(
    ("factor", "limit", "outcome"),
    [
        (0.8, 1.0, "passed"),
        (0.8, 1.2, "passed"),
        (0.8, 1.5, "failed"),
        (1.0, 1.0, "passed"),
        (1.3, 1.0, "failed"),
    ],
)
def test_a_limit_is_held_against_the_interval(factor: float, limit: float, outcome: str) -> None:
    gate = held(benchmark((scaled(1), scaled(factor, seed=1))), limit)
    assert (gate.name, gate.candidate, gate.limit, gate.outcome) == ("fail-if-slower-than", 1, limit, outcome)
    assert gate.value == pytest.approx(1 / factor, abs=0.02)


def test_what_cannot_be_told_guards_nothing() -> None:
    few = benchmark((series(1, 1, 1), series(2, 2, 2)))
    assert held(few, 1.0).outcome == "inconclusive"
    wide = benchmark((series(*[1.0, 1.4] * 20), series(*[1.3, 1.0] * 20)))
    assert held(wide, 1.0).outcome == "inconclusive"
    drowned = benchmark((scaled(1), scaled(1.04, seed=1), scaled(1.1, seed=2)), twinned=True)
    assert drowned.comparisons[0].interval[1] < 0.98
    assert held(drowned, 1.0).outcome == "inconclusive"


def test_a_record_without_processes_is_of_one() -> None:
    found = benchmark((scaled(1), scaled(0.5, seed=1)))
    assert compare(msgspec.structs.replace(found, processes=()), 0, 1) == found.comparisons[0]


@pytest.mark.parametrize("processes_", [1, 3])
def test_throughput_is_samples_a_second_with_an_interval(processes_: int) -> None:
    runs = [(scaled(20, seed=number), scaled(10, seed=number + 9)) for number in range(processes_)]
    found = benchmark(*runs)
    at = throughput(found, found, 8)
    assert at.batch == 8
    assert [each.times for each in at.models] == list(found.models)
    assert [each.per_second for each in at.models] == pytest.approx([400, 800], rel=0.01)
    for each in at.models:
        low, high = each.interval
        assert low < each.per_second < high < 1.05 * low
    assert at.comparisons == found.comparisons
    assert at.comparisons[0].speedup == pytest.approx(2, rel=0.01)


def test_throughput_repeats_no_caution() -> None:
    known, own = Remark("other-load", "a"), Remark("noisy", "b")
    around = msgspec.structs.replace(benchmark((scaled(1),)), cautions=(known,))
    found = msgspec.structs.replace(around, cautions=(known, own))
    assert throughput(around, found, 1).cautions == (own,)


@given(st.floats(0.01, 1000), st.integers(1, 512))
@settings(max_examples=30, deadline=None)
def test_throughput_scales_with_the_batch_and_against_the_time(factor: float, batch: int) -> None:
    one, other = (benchmark((scaled(each),)) for each in (1.0, factor))
    here, there = (throughput(each, each, size).models[0] for each, size in ((one, 1), (other, batch)))
    scale = batch / factor
    assert there.per_second == pytest.approx(scale * here.per_second)
    assert there.interval == pytest.approx([scale * end for end in here.interval])

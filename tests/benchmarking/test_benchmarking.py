from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import parser

from convprof.benchmarking import cautions, compare, measure, measuring, rounds
from convprof.errors import ModelError, UsageError
from convprof.records.benchmark import Benchmark
from convprof.records.files import decode, encode
from convprof.records.machine import Machine
from convprof.runtime import RunOptions

FEEDS = {"x": np.ones((1, 4), np.float32)}
OPTIONS = RunOptions()


class Clock:
    """A machine on which opening takes 1 s and a run of a model what `costs` says, in seconds."""

    def __init__(self, costs: Mapping[str, Callable[[], float]]) -> None:
        self.now = 100.0
        self.costs = costs
        self.order: list[str] = []

    def timer(self) -> float:
        return self.now

    def open(self, path: Path, options: RunOptions) -> FakeSession:
        self.now += 1
        return FakeSession(self, path.stem)


class FakeSession:
    def __init__(self, clock: Clock, name: str) -> None:
        self.clock = clock
        self.name = name

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        self.clock.order.append(self.name)
        self.clock.now += self.clock.costs[self.name]()


MachineOf = Callable[..., Clock]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> MachineOf:
    def make(**costs: Callable[[], float]) -> Clock:
        clock = Clock(costs)
        monkeypatch.setattr(rounds, "open_session", clock.open)
        monkeypatch.setattr(measuring, "this_machine", Machine)
        return clock

    return make


def models(*names: str) -> list[tuple[Path, str]]:
    return [(Path(f"{name}.onnx"), name * 2) for name in names]


def codes(benchmark: Benchmark) -> list[str]:
    return [remark.code for remark in benchmark.cautions]


def test_times_are_kept_raw_and_in_order(machine: MachineOf) -> None:
    before = [0.007] * 4  # the run ahead of each timed one
    rounds = [cost for pair in zip(before, [0.002, 0.003, 0.004, 0.001], strict=True) for cost in pair]
    costs = iter([0.004, 0.009, *rounds])
    clock = machine(a=lambda: next(costs))
    found = measure(models("a"), [FEEDS], options=OPTIONS, warmup=1, iterations=4, timer=clock.timer).models[0]
    assert found.samples_ms == pytest.approx((2, 3, 4, 1))
    assert (found.path, found.sha256) == ("a.onnx", "aa")
    assert found.load_ms == pytest.approx(1000)
    assert found.first_ms == pytest.approx(4)
    assert found.median_ms == pytest.approx(2.5)
    assert found.iqr_ms == pytest.approx(1.5)
    assert found.percentiles_ms == {}


def test_every_round_has_every_model_once_in_an_order_that_the_seed_decides(machine: MachineOf) -> None:
    def order(seed: int) -> list[str]:
        clock = machine(a=lambda: 0.002, b=lambda: 0.002, c=lambda: 0.002)
        measure(models("a", "b", "c"), [FEEDS] * 3, options=OPTIONS, warmup=2, seed=seed, timer=clock.timer)
        return clock.order

    first = order(seed=1)
    assert first[:9] == ["a", "b", "c"] * 3
    assert first[9::2] == first[10::2]
    orders = ["".join(first[i : i + 6 : 2]) for i in range(9, len(first), 6)]
    assert len(orders) == 100
    assert len(set(orders)) == 6
    assert order(seed=1) == first
    assert order(seed=2) != first


def test_any_two_models_can_be_compared_afterwards(machine: MachineOf) -> None:
    clock = machine(a=lambda: 0.004, b=lambda: 0.002, c=lambda: 0.001)
    found = measure(models("a", "b", "c"), [FEEDS] * 3, options=OPTIONS, iterations=20, timer=clock.timer)
    other = compare(found, 1, 2)
    assert (other.baseline, other.candidate, other.verdict) == (1, 2, "faster")
    assert other.speedup == pytest.approx(2)
    assert compare(found, 0, 1) == found.comparisons[0]


def test_a_drift_of_the_machine_leaves_the_speedup_alone(machine: MachineOf) -> None:
    steps = iter([1.0] * 12 + np.repeat(np.linspace(1, 4, 40), 4).tolist())  # all runs of one round after another
    clock = machine(dense=lambda: 0.006 * next(steps), lean=lambda: 0.002 * next(steps))
    found = measure(models("dense", "lean"), [FEEDS] * 2, options=OPTIONS, iterations=40, timer=clock.timer)
    comparison = found.comparisons[0]
    assert (comparison.baseline, comparison.candidate, comparison.level) == (0, 1, 0.95)
    assert comparison.speedup == pytest.approx(3)
    assert comparison.verdict == "faster"
    assert found.models[0].samples_ms[-1] > 2 * found.models[0].samples_ms[0]


def test_the_first_model_is_compared_with_each_other_one(machine: MachineOf) -> None:
    clock = machine(a=lambda: 0.002, b=lambda: 0.001, c=lambda: 0.004, d=lambda: 0.00201)
    found = measure(models("a", "b", "c", "d"), [FEEDS] * 4, options=OPTIONS, timer=clock.timer)
    verdicts = [(c.candidate, c.verdict) for c in found.comparisons]
    assert verdicts == [(1, "faster"), (2, "slower"), (3, "slower")]
    assert [c.speedup for c in found.comparisons] == pytest.approx([2, 0.5, 2 / 2.01])
    assert decode(encode(found).encode(), Benchmark, "benchmark") == found


@pytest.mark.parametrize(("cost", "before"), [(0.0003, 4), (0.0006, 2), (0.0011, 1), (0.5, 1)])
def test_a_timed_run_follows_others_of_the_same_model(machine: MachineOf, cost: float, before: int) -> None:
    """One, or what fits into a millisecond: caches are then those of a model that runs alone."""
    clock = machine(a=lambda: cost)
    found = measure(models("a"), [FEEDS], options=OPTIONS, warmup=0, iterations=5, timer=clock.timer)
    assert len(clock.order) == 1 + 5 * (before + 1)
    assert found.models[0].samples_ms == pytest.approx([1000 * cost] * 5)


def test_a_model_behind_another_takes_no_longer(machine: MachineOf) -> None:
    last = [""]

    def cost(name: str, alone: float) -> float:
        behind, last[0] = last[0], name
        return alone if behind == name else 1.3 * alone

    clock = machine(a=lambda: cost("a", 0.004), b=lambda: cost("b", 0.002))
    found = measure(models("a", "b"), [FEEDS] * 2, options=OPTIONS, iterations=20, timer=clock.timer)
    assert [model.median_ms for model in found.models] == pytest.approx([4, 2])


def test_a_duration_ends_the_rounds(machine: MachineOf) -> None:
    clock = machine(a=lambda: 0.25, b=lambda: 0.25)
    said: list[tuple[str, int, int]] = []
    found = measure(
        models("a", "b"),
        [FEEDS] * 2,
        options=OPTIONS,
        duration=3.75,
        timer=clock.timer,
        progress=lambda *state: said.append(state),
    )
    assert len(found.models[0].samples_ms) == 4
    assert said == [("benchmark", done, 3750) for done in (1000, 2000, 3000, 3750)]


def test_rounds_go_on_until_the_ratio_is_known_well_enough(machine: MachineOf) -> None:
    generator = np.random.default_rng(0)
    clock = machine(a=lambda: generator.normal(0.01, 0.001), b=lambda: generator.normal(0.01, 0.001))

    def rounds_for(width: float) -> int:
        found = measure(
            models("a", "b"), [FEEDS] * 2, options=OPTIONS, duration=100, interval_width=width, timer=clock.timer
        )
        low, high = found.comparisons[0].interval
        assert high / low - 1 < width
        assert "wide-interval" not in codes(found)
        return len(found.models[0].samples_ms)

    assert 45 == rounds_for(0.2) < rounds_for(0.03)


def test_a_ratio_that_stays_uncertain_ends_with_the_duration(machine: MachineOf) -> None:
    generator = np.random.default_rng(0)
    clock = machine(a=lambda: generator.choice([0.01, 0.05]), b=lambda: 0.02)
    opened_and_warm = 2 + 6 * (0.05 + 0.02)
    found = measure(
        models("a", "b"), [FEEDS] * 2, options=OPTIONS, duration=4, interval_width=0.0001, timer=clock.timer
    )
    assert 4 <= clock.now - 100 < 4.2 + opened_and_warm
    assert 20 < len(found.models[0].samples_ms) < 60
    assert "wide-interval" in codes(found)


def test_a_drifting_machine_is_told_of(machine: MachineOf) -> None:
    rising = iter(np.linspace(0.002, 0.003, 206))
    clock = machine(a=lambda: next(rising))
    found = measure(models("a"), [FEEDS], options=OPTIONS, iterations=100, timer=clock.timer)
    assert "drift" in codes(found)


def test_with_a_floor_the_first_model_runs_twice_a_round(machine: MachineOf) -> None:
    clock = machine(a=lambda: 0.002, b=lambda: 0.001)
    found = measure(models("a", "b"), [FEEDS] * 2, options=OPTIONS, iterations=30, floor=True, timer=clock.timer)
    assert clock.order.count("a") == 2 * clock.order.count("b")
    assert [model.path for model in found.models] == ["a.onnx", "b.onnx"]
    assert found.floor is not None
    assert found.floor.verdict == "no-measurable-difference"
    assert found.comparisons[0].verdict == "faster"


def test_a_floor_that_hides_differences_is_told_of(machine: MachineOf) -> None:
    costs = cycle([0.002, 0.003, 0.0022])
    clock = machine(a=lambda: next(costs))
    found = measure(models("a"), [FEEDS], options=OPTIONS, iterations=40, floor=True, timer=clock.timer)
    assert "high-floor" in codes(found)


def test_without_being_asked_nothing_is_left_out(machine: MachineOf) -> None:
    def found(settle: bool) -> Benchmark:
        costs = iter([0.02] * 19 + [0.002, 0.002, 0.0022, 0.0022] * 30)
        clock = machine(a=lambda: next(costs))
        return measure(models("a"), [FEEDS], options=OPTIONS, warmup=0, iterations=60, settle=settle, timer=clock.timer)

    assert found(False).processes[0].settling == 0
    assert found(True).processes[0].settling == 10
    assert len(found(True).models[0].samples_ms) == 50


def test_progress_counts_rounds(machine: MachineOf) -> None:
    clock = machine(a=lambda: 0.25)
    said: list[tuple[str, int, int]] = []
    measure(
        models("a"),
        [FEEDS],
        options=OPTIONS,
        iterations=3,
        timer=clock.timer,
        progress=lambda *state: said.append(state),
    )
    assert said == [("benchmark", done, 3) for done in (1, 2, 3)]


def test_steady_times_on_a_quiet_machine_need_no_caution(machine: MachineOf) -> None:
    clock = machine(a=lambda: 0.001)
    assert codes(measure(models("a"), [FEEDS], options=OPTIONS, iterations=30, timer=clock.timer)) == []


def test_too_few_rounds_decide_nothing(machine: MachineOf) -> None:
    clock = machine(a=lambda: 0.002, b=lambda: 0.001)
    found = measure(models("a", "b"), [FEEDS] * 2, options=OPTIONS, iterations=5, timer=clock.timer)
    assert found.comparisons[0].verdict == "inconclusive"
    assert codes(found) == ["few-samples"]


def test_cautions_say_what_to_do(machine: MachineOf, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = cycle([0.002, 0.002, 0.004, 0.004])
    clock = machine(a=lambda: next(costs))
    monkeypatch.setattr(cautions, "available_cores", lambda: 2)
    monkeypatch.setattr(cautions, "own_load", lambda: 0.4)
    monkeypatch.setattr(measuring, "this_machine", lambda: Machine(load_average=(2.5, 0, 0)))
    zeros = {"x": np.zeros((1, 4), np.float32)}
    found = measure(models("a"), [zeros], options=RunOptions(threads=3), iterations=29, timer=clock.timer)
    assert codes(found) == ["threads-above-cores", "other-load", "zero-inputs", "few-samples", "noisy"]
    assert all(": " in remark.text for remark in found.cautions)


@pytest.mark.parametrize(("own", "said"), [(0.1, True), (1.9, False)])
def test_the_load_of_a_long_search_is_not_that_of_other_programs(
    monkeypatch: pytest.MonkeyPatch, own: float, said: bool
) -> None:
    monkeypatch.setattr(cautions, "available_cores", lambda: 2)
    monkeypatch.setattr(cautions, "own_load", lambda: own)
    found = list(cautions.before([FEEDS], RunOptions(threads=2), Machine(load_average=(2.2, 2.0, 1.0))))
    assert [remark.code for remark in found] == ["other-load"] * said


@pytest.mark.parametrize(
    ("options", "quota", "said"),
    [
        (RunOptions(threads=2), None, False),
        (RunOptions(threads=3), None, True),
        (RunOptions(threads=2, inter_op_threads=2), None, True),
        (RunOptions(threads=1), 0.5, True),
        (RunOptions(threads=2), 1.5, True),
        (RunOptions(threads=2), 64.0, False),
    ],
)
def test_more_threads_than_cores_or_than_their_time(
    monkeypatch: pytest.MonkeyPatch, options: RunOptions, quota: float | None, said: bool
) -> None:
    monkeypatch.setattr(cautions, "available_cores", lambda: 2)
    found = list(cautions.before([FEEDS], options, Machine(core_quota=quota)))
    assert [remark.code for remark in found] == ["threads-above-cores"] * said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"iterations": 0}, "rounds"),
        ({"iterations": None}, "rounds"),
        ({"duration": 0.0}, "duration"),
        ({"duration": float("inf")}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"warmup": -1}, "warm-up"),
        ({"processes": 0}, "processes"),
        ({"interval_width": 0.0, "duration": 1.0}, "interval width"),
        ({"interval_width": 0.01}, "duration"),
        ({"interval_width": 0.01, "duration": 1.0}, "no ratio"),
    ],
)
def test_numbers_that_leave_nothing_to_measure_are_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        measure(models("a"), [FEEDS], options=OPTIONS, **arguments)


@pytest.mark.parametrize(("names", "feeds"), [((), []), (("a",), [])])
def test_models_and_inputs_must_be_there(names: tuple[str, ...], feeds: list[dict[str, NDArray[Any]]]) -> None:
    with pytest.raises(UsageError):
        measure(models(*names), feeds, options=OPTIONS)


def test_a_real_model_may_stand_beside_itself(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    text = '<ir_version: 9, opset_import: ["": 17]> g (float[N, 4] x) => (float[N, 4] y) { y = Exp(x) }'
    path.write_bytes(parser.parse_model(text).SerializeToString())
    found = measure([(path, "s")] * 2, [FEEDS] * 2, options=OPTIONS, iterations=10)
    assert [len(times.samples_ms) for times in found.models] == [10, 10]
    assert min(found.models[0].samples_ms) > 0
    assert found.environment.threads == 1
    with pytest.raises(ModelError, match=r"net\.onnx"):
        measure([(path, "s")], [{}], options=OPTIONS)

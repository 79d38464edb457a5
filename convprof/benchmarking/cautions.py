"""What makes times doubtful, each with what to do about it: the machine and the inputs before, the times after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from convprof.benchmarking.rounds import Feeds, Length
from convprof.records.benchmark import Benchmark
from convprof.records.machine import Machine
from convprof.records.remarks import Remark
from convprof.runtime import RunOptions, available_cores, own_load
from convprof.stats.drift import drift
from convprof.stats.samples import Sample

_ROUNDS_ENOUGH = 30
_PROCESSES_ENOUGH = 5
_NOISY = 0.10
_HIGH_FLOOR = 0.02


def before(feeds: Sequence[Feeds], options: RunOptions, machine: Machine) -> Iterator[Remark]:
    """Say what about the machine and the inputs makes times doubtful, before any time is taken."""
    cores, load = usable_cores(machine), machine.load_average[0] - own_load() if machine.load_average else 0.0
    threads = options.threads + options.inter_op_threads - 1
    if threads > cores:
        text = f"{threads} threads share {cores:g} cores and wait for each other: ask for {cores:g} or fewer"
        yield Remark("threads-above-cores", text)
    if load > cores:
        text = f"other programs make a load of {load:.1f} on {cores:g} cores: close them and measure again"
        yield Remark("other-load", text)
    if any(feed and not any(np.any(array) for array in feed.values()) for feed in feeds):
        yield Remark("zero-inputs", "a model ran on zeros only, which some operators skip over: measure on real inputs")


def after(benchmark: Benchmark, length: Length) -> Iterator[Remark]:
    """Say what about the times themselves, and what came of them, makes them doubtful."""
    rounds, processes = len(benchmark.models[0].samples_ms), len(benchmark.processes)
    if rounds < _ROUNDS_ENOUGH:
        text = f"{rounds} rounds give an interval that is too narrow: measure {_ROUNDS_ENOUGH} or more"
        yield Remark("few-samples", text)
    if 1 < processes < _PROCESSES_ENOUGH:
        text = f"{processes} processes hardly tell how processes differ, so intervals are wide: ask for 5 or more"
        yield Remark("few-processes", text)
    spread = max(model.iqr_ms / model.median_ms for model in benchmark.models)
    if spread > _NOISY:
        text = f"the middle half of the times spans {spread:.0%} of the median: quieten the machine or measure longer"
        yield Remark("noisy", text)
    yield from _of_the_machine(benchmark)
    yield from _of_the_length(benchmark, length)


def _of_the_machine(benchmark: Benchmark) -> Iterator[Remark]:
    change = drift(Sample(benchmark.models[0].samples_ms))
    if change is not None:
        text = (
            f"the first model took {change:+.0%} in the last third of the run: fix the clock, or let the machine rest"
        )
        yield Remark("drift", f"{text}; ratios are of the same rounds and stand, times do not")
    floor = benchmark.floor
    if floor is not None and max(floor.interval[1], 1 / floor.interval[0]) > 1 + _HIGH_FLOOR:
        low, high = floor.interval
        text = f"a model against itself came to {low:.3f} to {high:.3f}: measure longer, or in --processes 5"
        yield Remark("high-floor", text)


def _of_the_length(benchmark: Benchmark, length: Length) -> Iterator[Remark]:
    compared = (*benchmark.comparisons, *([benchmark.floor] if benchmark.floor else []))
    widest = max((each.interval[1] / each.interval[0] - 1 for each in compared), default=0.0)
    if length.width is not None and widest >= length.width:
        text = f"the widest interval is {widest:.1%} and not {length.width:.1%}: give a longer --duration"
        yield Remark("wide-interval", text)


def usable_cores(machine: Machine) -> float:
    """Cores that this process may run on, or their time that its control group may use where that is less."""
    return min(available_cores(), machine.core_quota or math.inf)

"""Limits that a user holds a measurement against, so that a pipeline can stop where a model has become slower."""

from __future__ import annotations

import math
from typing import Literal

from msgspec.structs import replace

from convprof.benchmarking.assembling import enough, floor_below
from convprof.errors import UsageError
from convprof.records.benchmark import Benchmark, Gate
from convprof.stats.comparison import NEGLIGIBLE, Interval, verdict


def check_limit(slowest: float, models: int) -> None:
    """Raise UsageError for a limit that no speed-up can be held against, and where `models` are too few for one."""
    if models < 2:
        raise UsageError("fail if slower than", "one model is as fast as itself", "name the model to hold against it")
    if not 0 < slowest < math.inf:
        raise UsageError("fail if slower than", f"{slowest} is no speed-up", "ask for a number above 0, as 1.0")


def gated(benchmark: Benchmark, slowest: float) -> Benchmark:
    """Hold every speed-up against `slowest`.

    It passes where all of its interval lies at or above the limit, or within 2 % of it: that is no difference that
    anyone would act on. It fails where all of it lies below, beyond the noise floor. Anything else is inconclusive, and
    nothing has been guarded.
    """
    floor, known = floor_below(benchmark), enough(benchmark)
    gates = tuple(
        Gate(
            name="fail-if-slower-than",
            candidate=each.candidate,
            limit=slowest,
            value=each.speedup,
            interval=each.interval,
            outcome=_outcome((each.interval[0] / slowest, each.interval[1] / slowest), floor)
            if known
            else "inconclusive",
        )
        for each in benchmark.comparisons
    )
    return replace(benchmark, gates=(*benchmark.gates, *gates))


def _outcome(interval: Interval, floor: Interval) -> Literal["passed", "failed", "inconclusive"]:
    """Read the interval of speed-up / limit."""
    low, high = interval
    if low >= 1:
        return "passed"
    if verdict(interval, floor) == "slower":
        return "failed"
    return "passed" if low >= 1 - NEGLIGIBLE and high <= 1 + NEGLIGIBLE else "inconclusive"

"""What a benchmark came to: a sentence and four figures."""

from __future__ import annotations

from convprof.records.benchmark import Benchmark, Comparison, ModelTimes
from convprof.reporting import wording
from convprof.reporting.escaping import shortened, visible
from convprof.reporting.outcome import SPEEDS, Figure, model_name

_FIGURES = 4
_LONGEST = 60


def summary(benchmark: Benchmark) -> str:
    """What came of the comparisons, in a sentence."""
    if not benchmark.comparisons:
        return f"{wording.counted(len(benchmark.models), 'model')} measured, and compared with no other."
    if len(benchmark.comparisons) > 1:
        best = max(benchmark.comparisons, key=lambda each: each.speedup)
        others = f"The fastest of {len(benchmark.comparisons)} beside {visible(model_name(benchmark, 0))}: "
        return others + _in_words(benchmark, best)
    return _in_words(benchmark, benchmark.comparisons[0])


def figures(benchmark: Benchmark) -> tuple[Figure, ...]:
    """The median of the first model, and how the next few compare with it."""
    first = [_first(each) for each in benchmark.models[:1]]
    return (*first, *(_compared(benchmark, each) for each in benchmark.comparisons[: _FIGURES - 1]))


def _first(model: ModelTimes) -> Figure:
    details = (f"IQR {wording.milliseconds(model.iqr_ms)}", f"n = {len(model.samples_ms):,}")
    return Figure("First model", wording.milliseconds(model.median_ms), "median of an inference", details)


def _compared(benchmark: Benchmark, each: Comparison) -> Figure:
    low, high = (_ratio(end) for end in each.interval)
    name = shortened(model_name(benchmark, each.candidate), _LONGEST)
    details = (name, wording.interval(low, high, each.level))
    return Figure(f"Model {each.candidate + 1}", wording.ratio(each.speedup), SPEEDS[each.verdict], details)


def _in_words(benchmark: Benchmark, each: Comparison) -> str:
    low, high = (_ratio(end) for end in each.interval)
    name = visible(model_name(benchmark, each.candidate))
    return f"{name}: {SPEEDS[each.verdict]}, {wording.ratio(each.speedup)} ({low} to {high})."


def _ratio(value: float) -> str:
    return wording.ratio(value, 3)

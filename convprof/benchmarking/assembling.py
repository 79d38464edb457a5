"""From raw times to the record: what is left out at the start, summaries, comparisons. Pure: no clock, no session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median as middle

import numpy as np
from msgspec.structs import replace

from convprof.benchmarking.rounds import Series
from convprof.records.benchmark import BatchTimes, Benchmark, Comparison, ModelTimes, ProcessRounds, Throughput
from convprof.stats.comparison import ROUNDS_FOR_A_VERDICT, Interval, paired_ratio, ratio_of_processes, verdict
from convprof.stats.samples import Sample
from convprof.stats.settling import settled
from convprof.stats.summaries import interquartile_range, median, percentiles

_LEVEL = 0.95


@dataclass(frozen=True)
class Taken:
    """The series of every process, in the order of the models, and how many rounds of each are left out at its start.

    Where `twinned`, the last series of a process are those of the first model once more.
    """

    series: Sequence[tuple[Series, ...]]
    settling: tuple[int, ...]
    twinned: bool


def taken(series: Sequence[tuple[Series, ...]], *, settle: bool, twinned: bool) -> Taken:
    """Judge by the times themselves from where on they count, in each process for all models; 0 without `settle`."""
    settling = tuple(settled(np.array([each.samples_ms for each in one])) if settle else 0 for one in series)
    return Taken(series, settling, twinned)


def times(models: Sequence[tuple[str, str]], found: Taken) -> tuple[tuple[ModelTimes, ...], ModelTimes | None]:
    """Sum up the `models`, (path, sha256) each, and the twin of the first where there is one."""
    if not found.twinned:
        return _all_times(models, found), None
    *those, twin = _all_times([*models, models[0]], found)
    return tuple(those), twin


def processes(found: Taken) -> tuple[ProcessRounds, ...]:
    """Count the rounds of each process, those that count and those before."""
    return tuple(
        ProcessRounds(len(one[0].samples_ms) - left_out, left_out)
        for one, left_out in zip(found.series, found.settling, strict=True)
    )


def compare(benchmark: Benchmark, baseline: int, candidate: int, *, seed: int = 0) -> Comparison:
    """Compare any two models of a benchmark by the times in it; `seed` decides the resamples of the interval."""
    pair = (benchmark.models[baseline], benchmark.models[candidate])
    return _comparison(pair, (baseline, candidate), benchmark.rounds(), seed, benchmark.noise())


def throughput(around: Benchmark, found: Benchmark, batch: int, *, seed: int = 0) -> Throughput:
    """What `found`, measured with `batch` samples a run, says of samples a second, beside the benchmark `around` it.

    A throughput is the ratio of the time that one sample a second would take to the time that a batch took: its
    interval comes as that of any ratio.
    """
    return Throughput(
        batch=batch,
        models=tuple(_per_second(each, batch, found.rounds(), seed) for each in found.models),
        comparisons=found.comparisons,
        processes=found.processes,
        floor=found.floor,
        cautions=tuple(each for each in found.cautions if each not in around.cautions),
    )


def _per_second(times: ModelTimes, batch: int, counts: Sequence[int], seed: int) -> BatchTimes:
    unit = (1000.0 * batch,) * len(times.samples_ms)
    per_second, interval = _ratio(unit, times.samples_ms, counts, seed)
    return BatchTimes(times, per_second, interval, _LEVEL)


def with_comparisons(benchmark: Benchmark, seed: int) -> Benchmark:
    """The benchmark with its floor, if it has a twin, and the first model compared with every other."""
    if benchmark.twin is not None:
        floor = _comparison((benchmark.models[0], benchmark.twin), (0, 0), benchmark.rounds(), seed)
        benchmark = replace(benchmark, floor=floor)
    others = range(1, len(benchmark.models))
    return replace(benchmark, comparisons=tuple(compare(benchmark, 0, other, seed=seed) for other in others))


def _all_times(models: Sequence[tuple[str, str]], found: Taken) -> tuple[ModelTimes, ...]:
    by_model = zip(*found.series, strict=True)
    return tuple(
        _times(path, sha256, series, found.settling) for (path, sha256), series in zip(models, by_model, strict=True)
    )


def _times(path: str, sha256: str, series: Sequence[Series], settling: Sequence[int]) -> ModelTimes:
    """Join the series of one model."""
    pairs = list(zip(series, settling, strict=True))
    counted = tuple(value for each, left_out in pairs for value in each.samples_ms[left_out:])
    sample = Sample(counted)
    return ModelTimes(
        path=path,
        sha256=sha256,
        samples_ms=counted,
        median_ms=median(sample),
        iqr_ms=interquartile_range(sample),
        percentiles_ms=percentiles(sample),
        load_ms=middle(each.load_ms for each in series),
        first_ms=middle(each.first_ms for each in series),
        settling_ms=tuple(value for each, left_out in pairs for value in each.samples_ms[:left_out]),
    )


def _comparison(
    pair: tuple[ModelTimes, ModelTimes],
    places: tuple[int, int],
    counts: Sequence[int],
    seed: int,
    floor: Interval = (1.0, 1.0),
) -> Comparison:
    speedup, interval = _ratio(pair[0].samples_ms, pair[1].samples_ms, counts, seed)
    said = verdict(interval, floor) if sum(counts) >= ROUNDS_FOR_A_VERDICT else "inconclusive"
    return Comparison(*places, speedup, interval, _LEVEL, said)


def _ratio(
    baseline: Sequence[float], candidate: Sequence[float], counts: Sequence[int], seed: int
) -> tuple[float, Interval]:
    """The ratio of times that stand process after process, `counts` of each, and its interval."""
    one, other = ([Sample(each) for each in _split(times, counts)] for times in (baseline, candidate))
    if len(counts) == 1:
        return paired_ratio(one[0], other[0], seed, _LEVEL)
    return ratio_of_processes(one, other, _LEVEL)


def _split(values: Sequence[float], counts: Sequence[int]) -> list[Sequence[float]]:
    ends = np.cumsum(counts).tolist()
    return [values[end - count : end] for end, count in zip(ends, counts, strict=True)]

"""How fast models are, measured interleaved: in each round every model once, in random order, in one process.

What slows the machine down for a while then slows all models down, and the ratio of their times within a round stays.
Only here is the clock read, through a passed-in timer. Raw times are kept in the order taken; none is dropped.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof.errors import UsageError
from convprof.records.benchmark import Benchmark, Comparison, ModelTimes
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark
from convprof.runtime import RunOptions, Session, available_cores, environment, open_session
from convprof.stats.comparison import paired_ratio, verdict
from convprof.stats.samples import Sample
from convprof.stats.summaries import interquartile_range, median, percentiles

Feeds = Mapping[str, NDArray[Any]]
Timer = Callable[[], float]
"""Seconds since any fixed moment."""

_LEVEL = 0.95
_ROUNDS_FOR_A_VERDICT = 6
"""Below it no order statistics enclose the median with 95 %: 2 / 2^5 is more than 0.05."""
_ROUNDS_ENOUGH = 30
_NOISY = 0.10


@dataclass(frozen=True)
class _Entrant:
    """A model that takes part: its file, its open session, its inputs, and how long opening and the first run took."""

    path: Path
    sha256: str
    session: Session
    feeds: Feeds
    load_ms: float
    first_ms: float


def measure(
    models: Sequence[tuple[Path, str]],
    feeds: Sequence[Feeds],
    *,
    options: RunOptions,
    warmup: int = 5,
    iterations: int | None = 100,
    duration: float | None = None,
    seed: int = 0,
    timer: Timer = time.perf_counter,
    progress: Progress = silent,
) -> Benchmark:
    """Time `models`, (path, sha256) each, on one array an input for each, and compare the first with every other.

    After one first run and `warmup` runs apiece come `iterations` rounds; or, where `duration` in seconds is given,
    rounds until that much time has passed in them, one at least. The same model may stand there twice: what it says
    of itself is the noise floor. `seed` decides the order within rounds and the resamples of the intervals.

    Raises UsageError for numbers that leave nothing to measure, and ModelError where a model cannot be opened or run.
    """
    _check(models, feeds, warmup, iterations, duration)
    cautions = _cautions_before(feeds, options)
    entrants = [_enter(path, sha256, feed, options, timer) for (path, sha256), feed in zip(models, feeds, strict=True)]
    for _ in range(warmup):
        for entrant in entrants:
            entrant.session.run(entrant.feeds)
    seconds = list(_rounds(entrants, _Until(iterations, duration), seed, timer, progress))
    samples = [Sample(1000 * np.array(times)) for times in zip(*seconds, strict=True)]
    return Benchmark(
        schema="convprof.benchmark/1",
        models=tuple(_summary(entrant, sample) for entrant, sample in zip(entrants, samples, strict=True)),
        comparisons=tuple(_comparison(samples, 0, candidate, seed) for candidate in range(1, len(samples))),
        environment=environment(options),
        cautions=(*cautions, *_cautions_after(samples)),
    )


def compare(benchmark: Benchmark, baseline: int, candidate: int, *, seed: int = 0) -> Comparison:
    """Compare any two models of a benchmark by the times in it; `seed` decides the resamples of the interval."""
    samples = [Sample(np.array(model.samples_ms)) for model in benchmark.models]
    return _comparison(samples, baseline, candidate, seed)


@dataclass(frozen=True)
class _Until:
    """When to stop: after `duration` seconds where given, otherwise after `iterations` rounds."""

    iterations: int | None
    duration: float | None

    def reached(self, rounds: int, seconds: float) -> bool:
        if self.duration is not None:
            return rounds > 0 and seconds >= self.duration
        return rounds == self.iterations

    def report(self, progress: Progress, rounds: int, seconds: float) -> None:
        """Say how far it is: in milliseconds, or in rounds."""
        if self.duration is not None:
            progress("benchmark", int(1000 * min(seconds, self.duration)), int(1000 * self.duration))
        else:
            progress("benchmark", rounds, self.iterations or rounds)


def _rounds(
    entrants: Sequence[_Entrant], until: _Until, seed: int, timer: Timer, progress: Progress
) -> Iterator[tuple[float, ...]]:
    """Yield the seconds of one round after another, in the order of `entrants`, whatever order they ran in."""
    generator = np.random.default_rng(seed)
    start, rounds, elapsed = timer(), 0, 0.0
    while not until.reached(rounds, elapsed):
        times = [0.0] * len(entrants)
        for place in generator.permutation(len(entrants)):
            times[place] = _seconds(entrants[place].session, entrants[place].feeds, timer)
        yield tuple(times)
        rounds, elapsed = rounds + 1, timer() - start
        until.report(progress, rounds, elapsed)


def _seconds(session: Session, feeds: Feeds, timer: Timer) -> float:
    start = timer()
    session.run(feeds)
    return timer() - start


def _enter(path: Path, sha256: str, feeds: Feeds, options: RunOptions, timer: Timer) -> _Entrant:
    """Open a model and run it once, timing both."""
    start = timer()
    session = open_session(path, options)
    load = timer() - start
    return _Entrant(path, sha256, session, feeds, 1000 * load, 1000 * _seconds(session, feeds, timer))


def _summary(entrant: _Entrant, sample: Sample) -> ModelTimes:
    return ModelTimes(
        path=str(entrant.path),
        sha256=entrant.sha256,
        samples_ms=tuple(sample.values.tolist()),
        median_ms=median(sample),
        iqr_ms=interquartile_range(sample),
        percentiles_ms=percentiles(sample),
        load_ms=entrant.load_ms,
        first_ms=entrant.first_ms,
    )


def _comparison(samples: Sequence[Sample], baseline: int, candidate: int, seed: int) -> Comparison:
    speedup, interval = paired_ratio(samples[baseline], samples[candidate], seed, _LEVEL)
    enough = len(samples[0]) >= _ROUNDS_FOR_A_VERDICT
    return Comparison(
        baseline=baseline,
        candidate=candidate,
        speedup=speedup,
        interval=interval,
        level=_LEVEL,
        verdict=verdict(interval) if enough else "inconclusive",
    )


def _cautions_before(feeds: Sequence[Feeds], options: RunOptions) -> tuple[Remark, ...]:
    """Say what about the machine and the inputs makes times doubtful; asked before the first model adds its load."""
    cores, load = available_cores(), _load_average()
    found: list[Remark] = []
    if options.threads > cores:
        text = f"{options.threads} threads share {cores} cores and wait for each other: ask for {cores} or fewer"
        found.append(Remark("threads-above-cores", text))
    if load > cores:
        text = f"the load average is {load:.1f} on {cores} cores: close other programs and measure again"
        found.append(Remark("other-load", text))
    if any(feed and not any(np.any(array) for array in feed.values()) for feed in feeds):
        text = "a model ran on zeros only, which some operators skip over: measure on real inputs"
        found.append(Remark("zero-inputs", text))
    return tuple(found)


def _load_average() -> float:
    """Count the programs that want a core, on average over the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if sys.platform != "win32" else 0.0


def _cautions_after(samples: Sequence[Sample]) -> tuple[Remark, ...]:
    """Say what about the times themselves makes them doubtful."""
    found: list[Remark] = []
    rounds = len(samples[0])
    if rounds < _ROUNDS_ENOUGH:
        text = f"{rounds} rounds give an interval that is too narrow: measure {_ROUNDS_ENOUGH} or more"
        found.append(Remark("few-samples", text))
    spread = max(interquartile_range(sample) / median(sample) for sample in samples)
    if spread > _NOISY:
        text = f"the middle half of the times spans {spread:.0%} of the median: quieten the machine or measure longer"
        found.append(Remark("noisy", text))
    return tuple(found)


def _check(
    models: Sequence[tuple[Path, str]],
    feeds: Sequence[Feeds],
    warmup: int,
    iterations: int | None,
    duration: float | None,
) -> None:
    """Refuse what leaves nothing to measure."""
    if not models:
        raise UsageError("models", "there is none to measure", "name one or more")
    if len(models) != len(feeds):
        raise UsageError("inputs", f"{len(feeds)} sets for {len(models)} models", "give one set a model")
    if warmup < 0:
        raise UsageError("warm-up", f"{warmup} runs cannot be made", "ask for 0 or more")
    if duration is not None and not 0 < duration < math.inf:
        raise UsageError("duration", f"{duration} seconds is no time to measure in", "ask for a number above 0")
    if duration is None and (iterations is None or iterations < 1):
        raise UsageError("iterations", f"{iterations or 'no'} rounds leave nothing to measure", "ask for 1 or more")

"""Rounds of runs in this process, with a clock: the raw times of models that take turns. No time is dropped here.

In each round every model runs for a moment before its timed run, so that the caches hold what the model itself left
there, as where it runs alone, and not what another one did: behind another, small models take a fifth longer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof.errors import UsageError
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions, Session, open_session
from convprof.stats.comparison import paired_ratio
from convprof.stats.samples import Sample
from convprof.stats.settling import settled

Feeds = Mapping[str, NDArray[Any]]
Timer = Callable[[], float]
"""Seconds since any fixed moment."""

CLOCK: Timer = time.perf_counter

_BEFORE = 0.001
"""The first run behind another model takes 5 to 25 % longer where it takes half a millisecond, the second up to 3 %."""
_FIRST_LOOK = 30
LOOKS = tuple(math.ceil(_FIRST_LOOK * 1.5**step) for step in range(40))
"""The rounds after which the interval is looked at. Seldom: a look takes longer than a round of a small model, and who
looks often stops at an interval that is narrow by accident."""


@dataclass(frozen=True)
class Length:
    """When to stop: after `iterations` rounds, or after `duration` seconds.

    With a `width`, once each model's ratio to the first has an interval with (high - low) / low below it, twice in a
    row, and after `duration` seconds at the latest. Durations are of the rounds alone, and one round is always made.
    """

    iterations: int | None = 100
    duration: float | None = None
    width: float | None = None

    def check(self) -> None:
        """Raise UsageError for numbers that leave nothing to measure or no end."""
        if self.duration is not None and not 0 < self.duration < math.inf:
            raise UsageError(
                "duration", f"{self.duration} seconds is no time to measure in", "ask for a number above 0"
            )
        if self.width is not None and not 0 < self.width < math.inf:
            raise UsageError("interval width", f"no interval is as narrow as {self.width}", "ask for a number above 0")
        if self.width is not None and self.duration is None:
            raise UsageError("interval width", "a ratio may never be known so well", "give a duration as well")
        if self.duration is None and (self.iterations is None or self.iterations < 1):
            what = f"{self.iterations or 'no'} rounds leave nothing to measure"
            raise UsageError("iterations", what, "ask for 1 or more")


@dataclass(frozen=True)
class Task:
    """What a process measures: models by path, inputs for each, how to run them, how long, in an order by `seed`."""

    models: tuple[Path, ...]
    feeds: tuple[Feeds, ...]
    options: RunOptions
    warmup: int
    length: Length
    seed: int


@dataclass(frozen=True)
class Series:
    """What one process measured of one model: opening it, its first run, and every later one, in ms."""

    load_ms: float
    first_ms: float
    samples_ms: tuple[float, ...]


@dataclass(frozen=True)
class _Entrant:
    """A model that takes part: its open session, its inputs, and how long opening and the first run took."""

    session: Session
    feeds: Feeds
    load_ms: float
    first_ms: float


def take(task: Task, timer: Timer = CLOCK, progress: Progress = silent) -> tuple[Series, ...]:
    """Open the models, run each once and `warmup` times more, then take rounds; a series a model, rounds aligned.

    Raises ModelError where a model cannot be opened or run.
    """
    entrants = [_enter(path, feeds, task.options, timer) for path, feeds in zip(task.models, task.feeds, strict=True)]
    for _ in range(task.warmup):
        for entrant in entrants:
            entrant.session.run(entrant.feeds)
    rounds = _rounds(entrants, task, timer, progress)
    return tuple(
        Series(entrant.load_ms, entrant.first_ms, tuple(1000 * seconds for seconds in times))
        for entrant, times in zip(entrants, zip(*rounds, strict=True), strict=True)
    )


def _rounds(entrants: Sequence[_Entrant], task: Task, timer: Timer, progress: Progress) -> list[tuple[float, ...]]:
    """Seconds of one round after another, in the order of `entrants`, whatever order they ran in."""
    generator = np.random.default_rng(task.seed)
    rounds: list[tuple[float, ...]] = []
    start, elapsed = timer(), 0.0
    while not _reached(task, rounds, elapsed):
        times = [0.0] * len(entrants)
        for place in generator.permutation(len(entrants)):
            times[place] = _at_home(entrants[place], timer)
        rounds.append(tuple(times))
        elapsed = timer() - start
        _report(task.length, progress, len(rounds), elapsed)
    return rounds


def _reached(task: Task, rounds: Sequence[tuple[float, ...]], seconds: float) -> bool:
    length = task.length
    if length.duration is None:
        return len(rounds) == length.iterations
    late = len(rounds) > 0 and seconds >= length.duration
    return late or (length.width is not None and known(rounds, length.width, task.seed))


def known(rounds: Sequence[tuple[float, ...]], width: float, seed: int) -> bool:
    """Whether every ratio to the first model has an interval that narrow, at one of LOOKS and at the one before it."""
    if len(rounds) not in LOOKS[1:]:
        return False
    before = LOOKS[LOOKS.index(len(rounds)) - 1]
    return _narrow(rounds, width, seed) and _narrow(rounds[:before], width, seed)


def _narrow(rounds: Sequence[tuple[float, ...]], width: float, seed: int) -> bool:
    """Whether the ratios are known that well, by the rounds after those that settle."""
    times = np.array(rounds).T
    start = settled(times)
    first, *others = (Sample(each[start:]) for each in times)
    intervals = (paired_ratio(first, other, seed)[1] for other in others)
    return all(high / low - 1 < width for low, high in intervals)


def _report(length: Length, progress: Progress, rounds: int, seconds: float) -> None:
    """Say how far it is: in milliseconds, or in rounds."""
    if length.duration is not None:
        progress("benchmark", int(1000 * min(seconds, length.duration)), int(1000 * length.duration))
    else:
        progress("benchmark", rounds, length.iterations or rounds)


def _at_home(entrant: _Entrant, timer: Timer) -> float:
    """Seconds of a run behind others of the same model: one, or as many as fit into _BEFORE seconds."""
    start = timer()
    while True:
        entrant.session.run(entrant.feeds)
        if timer() - start >= _BEFORE:
            return _seconds(entrant.session, entrant.feeds, timer)


def _seconds(session: Session, feeds: Feeds, timer: Timer) -> float:
    start = timer()
    session.run(feeds)
    return timer() - start


def _enter(path: Path, feeds: Feeds, options: RunOptions, timer: Timer) -> _Entrant:
    """Open a model and run it once, timing both."""
    start = timer()
    session = open_session(path, options)
    load = timer() - start
    return _Entrant(session, feeds, 1000 * load, 1000 * _seconds(session, feeds, timer))

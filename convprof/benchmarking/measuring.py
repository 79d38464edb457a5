"""The stage: models and inputs in, a Benchmark out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from convprof.benchmarking import assembling, cautions
from convprof.benchmarking.processes import peak_memories, take_in_processes
from convprof.benchmarking.rounds import CLOCK, Feeds, Length, Task, Timer, take
from convprof.errors import UsageError
from convprof.records.benchmark import Benchmark
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions, environment, this_machine


def measure(
    models: Sequence[tuple[Path, str]],
    feeds: Sequence[Feeds],
    *,
    options: RunOptions,
    warmup: int = 5,
    iterations: int | None = 100,
    duration: float | None = None,
    interval_width: float | None = None,
    processes: int = 1,
    floor: bool = False,
    settle: bool = False,
    seed: int = 0,
    timer: Timer = CLOCK,
    progress: Progress = silent,
) -> Benchmark:
    """Time `models`, (path, sha256) each, on one array an input for each, and compare the first with every other.

    After one first run and `warmup` runs apiece come `iterations` rounds; or, where `duration` in seconds is given,
    rounds until that much time has passed in them, one at least. With an `interval_width` they end once every
    ratio has an interval with (high - low) / low below it, after `duration` at the latest. With `settle`, rounds at the
    start whose times had not settled are kept apart.

    With `floor`, the first model takes part once more, in a session of its own: what it says of itself is the noise
    floor. `processes` above 1 are fresh ones, each of which does all of that, by its own clock; further ones then tell
    the peak memory of each model. `seed` decides the order within rounds and the resamples of the intervals.

    Raises UsageError for numbers that leave nothing to measure, and ModelError where a model cannot be opened or run.
    """
    length = Length(iterations, duration, interval_width)
    _check(models, feeds, warmup, processes, floor, length)
    machine = this_machine()
    doubts = tuple(cautions.before(feeds, options, machine))
    twin = slice(0, 1 if floor else 0)
    paths = tuple(path for path, _ in models)
    task = Task((*paths, *paths[twin]), (*feeds, *feeds[twin]), options, warmup, length, seed)
    if processes > 1:
        series = take_in_processes(task, processes, progress)
        memories = peak_memories(task, len(models), progress)
    else:
        series, memories = [take(task, timer, progress)], [None] * len(models)
    found = assembling.taken(series, settle=settle, twinned=floor)
    summaries, again = assembling.times([(str(path), sha256) for path, sha256 in models], found)
    benchmark = Benchmark(
        schema="convprof.benchmark/1",
        models=tuple(
            msgspec.structs.replace(model, peak_memory=memory)
            for model, memory in zip(summaries, memories, strict=True)
        ),
        comparisons=(),
        environment=environment(options),
        machine=machine,
        processes=assembling.processes(found),
        twin=again,
    )
    benchmark = assembling.with_comparisons(benchmark, seed)
    return msgspec.structs.replace(benchmark, cautions=(*doubts, *cautions.after(benchmark, length)))


def _check(
    models: Sequence[tuple[Path, str]],
    feeds: Sequence[Feeds],
    warmup: int,
    processes: int,
    floor: bool,
    length: Length,
) -> None:
    """Refuse what leaves nothing to measure."""
    if not models:
        raise UsageError("models", "there is none to measure", "name one or more")
    if len(models) != len(feeds):
        raise UsageError("inputs", f"{len(feeds)} sets for {len(models)} models", "give one set a model")
    if warmup < 0:
        raise UsageError("warm-up", f"{warmup} runs cannot be made", "ask for 0 or more")
    if processes < 1:
        raise UsageError("processes", f"{processes} of them measure nothing", "ask for 1 or more")
    length.check()
    if length.width is not None and len(models) == 1 and not floor:
        raise UsageError("interval width", "one model has no ratio", "name another, or measure the noise floor")

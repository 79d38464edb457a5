"""Measurements in processes of their own, one after another: fresh memory, fresh sessions, nothing left of others.

A process is started as this interpreter with this path of modules, so that it finds what this one found, also where the
caller is a script without a guard around its main part, which multiprocessing would run again.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from convprof.benchmarking import worker
from convprof.benchmarking.rounds import Series, Task, take
from convprof.errors import ConvprofError, ModelError
from convprof.records.progress import Progress

T = TypeVar("T")

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from convprof.benchmarking.worker import main; main(sys.argv[2])"
)


def take_in_processes(task: Task, count: int, progress: Progress) -> list[tuple[Series, ...]]:
    """Have `count` fresh processes take the rounds of `task`, each in orders of its own: the series of each process.

    The order in which the models are opened is drawn as well: what comes of being first is then spread over all of
    them. Raises ModelError where a model cannot be opened or run, or the process dies.
    """
    found = []
    for number in range(count):
        order = np.random.default_rng((task.seed, number)).permutation(len(task.models)).tolist()
        shuffled = replace(
            task,
            models=tuple(task.models[place] for place in order),
            feeds=tuple(task.feeds[place] for place in order),
            seed=task.seed + number,
        )
        series = _done(partial(take, shuffled), str(task.models[0]))
        found.append(tuple(series[order.index(place)] for place in range(len(order))))
        progress("processes", number + 1, count)
    return found


def peak_memories(task: Task, count: int, progress: Progress) -> list[int | None]:
    """Bytes that a process which loads and runs only that model holds at most, for the first `count` of `task`.

    The interpreter, the runtime and the inputs are in it. None on systems that do not say.
    """
    found = []
    for place in range(count):
        path = task.models[place]
        found.append(_done(partial(worker.memory_of, path, task.feeds[place], task.options), str(path)))
        progress("memory", place + 1, count)
    return found


def _done(job: Callable[[], T], what: str) -> T:
    """Do a job in a fresh process; raises what it refused, and ModelError about `what` where the process died."""
    with TemporaryDirectory(prefix="convprof-bench-") as folder:
        Path(folder, worker.JOB).write_bytes(pickle.dumps(job))
        command = [sys.executable, "-c", _START, json.dumps(sys.path), folder]
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        place = Path(folder, worker.OUTCOME)
        if ran.returncode != 0 or not place.exists():
            lines = ran.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            why = f"the process that measures it ended with {ran.returncode}: {lines[-1]}"
            raise ModelError(what, why, "see whether there is memory enough, or measure in one process")
        outcome = pickle.loads(place.read_bytes())
    if isinstance(outcome, ConvprofError):
        raise outcome
    done: T = outcome
    return done

"""The program that a process of its own runs: it reads a job, does it, and leaves what came of it. See `processes`."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

from convprof.benchmarking.rounds import Feeds
from convprof.errors import ConvprofError
from convprof.runtime import RunOptions, open_session, peak_memory

JOB, OUTCOME = "job", "outcome"


def memory_of(path: Path, feeds: Feeds, options: RunOptions) -> int | None:
    """Load one model, run it once, and say how many bytes this process has held at most; None if nobody knows."""
    open_session(path, options).run(feeds)
    return peak_memory()


def main(folder: str) -> None:
    """Do the job that lies in `folder`; what comes of it, or the refusal, lies there afterwards."""
    job: Callable[[], object] = pickle.loads(Path(folder, JOB).read_bytes())
    try:
        outcome = job()
    except ConvprofError as error:
        outcome = error
    Path(folder, OUTCOME).write_bytes(pickle.dumps(outcome))

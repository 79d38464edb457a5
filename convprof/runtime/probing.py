"""Times probe models on this machine, with the very code that is sent to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from convprof.records.probes import ModelVisits, Probes, ProbeTimes
from convprof.records.progress import Progress
from convprof.runtime import probe
from convprof.runtime.library import Inference
from convprof.runtime.machine import environment
from convprof.runtime.options import RunOptions, session_options
from convprof.runtime.sessions import Feeds, open_inference

PROBE_SCRIPT = Path(probe.__file__)
"""The program that measures, whole in one file."""


def measure_probes(
    probes: Probes,
    folder: Path,
    feeds: Feeds,
    options: RunOptions,
    effort: probe.Effort,
    *,
    seed: int,
    timer: Callable[[], float],
    progress: Progress,
) -> ProbeTimes:
    """Time the models of `probes`, which lie in `folder`; `timer` counts seconds.

    Raises UsageError where `options` cannot be had, and ModelError where a model cannot be opened.
    """

    def opened(path: Path, trace: str | None) -> Inference:
        return open_inference(path, options, session_options(options, trace), probes.model.path)

    times = probe.measure(
        [(model.label, folder / model.file) for model in probes.models],
        feeds,
        opened,
        effort,
        seed,
        timer,
        lambda done, total: progress("price", done, total),
    )
    visits = msgspec.convert(times, tuple[ModelVisits, ...])
    return ProbeTimes("convprof.probe-times/1", probes, environment(options), visits)

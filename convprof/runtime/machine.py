"""The machine that models run on."""

from __future__ import annotations

import msgspec

from convprof._version import __version__
from convprof.records.benchmark import Environment
from convprof.runtime.library import ort
from convprof.runtime.probe import surroundings
from convprof.runtime.sessions import RunOptions


def environment(options: RunOptions) -> Environment:
    """Describe this machine, the versions in use, and the threads and providers asked for."""
    found = surroundings(ort().__version__, options.threads, options.providers)
    return msgspec.convert({**found, "convprof": __version__}, Environment)

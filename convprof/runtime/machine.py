"""The machine that models run on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

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


def peak_memory() -> int | None:
    """Count the bytes that this process has held in memory at most; None on systems that do not say."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count what the parent held when it started this process: Linux keeps that over exec.
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(encoding="utf-8"), re.MULTILINE)
        return 1024 * int(found[1]) if found else None
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None

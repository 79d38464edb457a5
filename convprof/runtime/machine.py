"""The machine that models run on."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import numpy as np

from convprof._version import __version__
from convprof.records.benchmark import Environment
from convprof.runtime.library import ort
from convprof.runtime.sessions import RunOptions


def environment(options: RunOptions) -> Environment:
    """Describe this machine, the versions in use, and the threads and providers asked for."""
    return Environment(
        cpu=_cpu_name(),
        cores=available_cores(),
        threads=options.threads,
        providers=options.providers,
        onnxruntime=ort().__version__,
        os=platform.platform(),
        python=platform.python_version(),
        numpy=np.__version__,
        convprof=__version__,
    )


def available_cores() -> int:
    """Count the logical cores that this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    """Read the processor's name, as the system knows it."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8", errors="replace") if listing.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()

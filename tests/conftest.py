"""Settings that hold for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Two workers whose libraries take a thread for each core wait for each other, and burn both cores while they do.
# Libraries read this when they are loaded, which is after this file.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no failure. Continuous integration draws the same examples each time; at a desk they are new ones.
settings.register_profile(
    "convprof", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("convprof")

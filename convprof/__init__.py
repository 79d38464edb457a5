"""convprof: makes trained convolutional networks cheaper without their source code.

The verbs of the command line are functions here; each takes paths and plain values and returns a record of
`convprof.records`. Nothing heavy is loaded before the first of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from convprof._version import __version__

if TYPE_CHECKING:
    from convprof.errors import ConvprofError as ConvprofError
    from convprof.pipeline import analyze as analyze
    from convprof.pipeline import bench as bench
    from convprof.pipeline import compare as compare
    from convprof.pipeline import cost as cost
    from convprof.pipeline import optimize as optimize
    from convprof.pipeline import plan as plan
    from convprof.pipeline import probe as probe
    from convprof.pipeline import quantize as quantize
    from convprof.pipeline import report as report
    from convprof.pipeline import rewrite as rewrite
    from convprof.pipeline import tune as tune
    from convprof.pipeline import verify as verify
    from convprof.records.gates import Limits as Limits
    from convprof.records.plan import Budget as Budget
    from convprof.records.tuning import Settings as Settings

_VERBS = (
    "analyze",
    "bench",
    "compare",
    "cost",
    "optimize",
    "plan",
    "probe",
    "quantize",
    "report",
    "rewrite",
    "tune",
    "verify",
)

__all__ = ["Budget", "ConvprofError", "Limits", "Settings", "__version__", *_VERBS]


def __getattr__(name: str) -> object:
    """Load a public name from its module when it is first asked for (PEP 562)."""
    if name in _VERBS:
        from convprof import pipeline

        return getattr(pipeline, name)
    if name == "ConvprofError":
        from convprof.errors import ConvprofError

        return ConvprofError
    if name == "Budget":
        from convprof.records.plan import Budget

        return Budget
    if name == "Limits":
        from convprof.records.gates import Limits

        return Limits
    if name == "Settings":
        from convprof.records.tuning import Settings

        return Settings
    if name == "torch":
        return import_module("convprof.torch")
    raise AttributeError(f"module 'convprof' has no attribute {name!r}")

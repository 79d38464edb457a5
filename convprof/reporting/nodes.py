"""A run as node data for Model Explorer: one figure of every conv of the original model, as a colour on its node.

The file is what Model Explorer calls custom node data for one graph: values under `results` by the id of a node, which
its ONNX adapters take from the node's name, or by the name of an output. A conv's name is the one or the other. A file
holds one value a node, so that each figure is a file of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite

from convprof.errors import DataError, UsageError
from convprof.records.run import Run
from convprof.reporting.layers import Layer, layers

NODE_FIGURES: dict[str, Callable[[Layer], float | None]] = {
    "macs": lambda layer: layer.macs_before,
    "macs-after": lambda layer: layer.macs_after,
    "latency": lambda layer: layer.latency_before_ms,
    "latency-after": lambda layer: layer.latency_after_ms,
    "error": lambda layer: layer.error,
    "model-error": lambda layer: layer.model_error,
}

# The labels stay dark and readable on both ends.
_GRADIENT = (
    {"stop": 0, "bgColor": "#ffffff", "textColor": "#1b2126"},
    {"stop": 1, "bgColor": "#56b4e9", "textColor": "#1b2126"},
)


def render_nodes(run: Run, figure: str) -> str:
    """One of NODE_FIGURES as JSON with a newline at its end; raises DataError where no layer's is known."""
    if figure not in NODE_FIGURES:
        raise UsageError("figure", f"{figure!r} is not known here", f"choose one of {', '.join(NODE_FIGURES)}")
    known = {layer.name: value for layer in layers(run) if _told(value := NODE_FIGURES[figure](layer))}
    if not known:
        raise DataError("the run", f"it holds no {figure} of any layer", "choose another figure")
    results = {name: {"value": value} for name, value in known.items()}
    return json.dumps({"results": results, "gradient": _GRADIENT}, indent=2) + "\n"


def _told(value: float | None) -> bool:
    """Whether JSON has a number for it."""
    return value is not None and isfinite(value)

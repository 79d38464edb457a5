"""A run as node data for Model Explorer: one figure of every conv, as a colour on its node in one of the two models.

The file is what Model Explorer calls custom node data for one graph: values under `results` by the id of a node, which
its ONNX adapters take from the node's name, or by the name of an output. A conv's name is the one or the other. A file
holds one value a node, so that each figure is a file of its own.

In the converted model `macs-after` is every conv's own. All else is known of a layer of the original, and lies on the
last of the convs that stand in for it, which are called NAME/convprof/...
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
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

GRAPHS = ("original", "converted")
"""The two models whose nodes there are."""

_MARK = "/convprof/"

# The labels stay dark and readable on both ends.
_GRADIENT = (
    {"stop": 0, "bgColor": "#ffffff", "textColor": "#1b2126"},
    {"stop": 1, "bgColor": "#56b4e9", "textColor": "#1b2126"},
)


def render_nodes(run: Run, figure: str, graph: str = GRAPHS[0]) -> str:
    """One of NODE_FIGURES for the nodes of one of GRAPHS, as JSON with a newline at its end.

    Raises UsageError for a figure or a graph that there is none of, and DataError where no layer's figure is known.
    """
    if figure not in NODE_FIGURES:
        raise UsageError("figure", f"{figure!r} is not known here", f"choose one of {', '.join(NODE_FIGURES)}")
    if graph not in GRAPHS:
        raise UsageError("graph", f"{graph!r} is not known here", f"choose one of {', '.join(GRAPHS)}")
    found = _of_original(run, figure) if graph == GRAPHS[0] else _of_converted(run, figure)
    known = {name: value for name, value in found.items() if _told(value)}
    if not known:
        raise DataError("the run", f"it holds no {figure} of any layer", "choose another figure")
    results = {name: {"value": value} for name, value in known.items()}
    return json.dumps({"results": results, "gradient": _GRADIENT}, indent=2) + "\n"


def _of_original(run: Run, figure: str) -> dict[str, float | None]:
    return {layer.name: NODE_FIGURES[figure](layer) for layer in layers(run)}


def _of_converted(run: Run, figure: str) -> dict[str, float | None]:
    if figure == "macs-after":
        return {conv.name: conv.macs for conv in run.analysis_after.convs}
    by_layer = _of_original(run, figure)
    last = {_layer(conv.name, by_layer): conv.name for conv in run.analysis_after.convs}
    return {node: by_layer[layer] for layer, node in last.items() if layer in by_layer}


def _layer(node: str, known: Collection[str]) -> str:
    """The layer of the original that a conv stands in for: of the names that its own begins with the longest."""
    parts = node.split(_MARK)
    stems = (_MARK.join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((stem for stem in stems if stem in known), node)


def _told(value: float | None) -> bool:
    """Whether JSON has a number for it."""
    return value is not None and isfinite(value)

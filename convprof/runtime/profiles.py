"""Where the time of a run goes: onnxruntime's own profile, by node and by layer."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from convprof.errors import UsageError
from convprof.runtime.sessions import Feeds, RunOptions, Session, open_inference, session_options


def profile_nodes(model: Path, feeds: Feeds, options: RunOptions, runs: int) -> dict[str, float]:
    """Median milliseconds over `runs` runs, by node name of the graph as onnxruntime optimised it.

    Nodes of the same name are summed within a run. A run before the first one, which packs weights and grows the
    arena, is not counted. Names differ from the model's: see `layer_times`.

    Raises UsageError where `runs` is below 1, and otherwise as `open_session` and `Session.run` do.
    """
    if runs < 1:
        raise UsageError("runs", f"{runs} runs leave nothing to profile", "ask for 1 or more")
    with tempfile.TemporaryDirectory(prefix="convprof-profile-") as folder:
        settings = session_options(options)
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(folder, "trace"))
        inference = open_inference(model, options, settings, str(model))
        session = Session(inference, str(model))
        for _ in range(runs + 1):
            session.run(feeds)
        trace = json.loads(Path(inference.end_profiling()).read_bytes())
    return _median_times(list(_times_of_runs(trace))[1:])


def layer_times(
    node_times: Mapping[str, float], layers: Sequence[str], owners: Mapping[str, str] = MappingProxyType({})
) -> dict[str, float]:
    """Milliseconds by layer of the original model; what belongs to none stands under "", so the sum is kept.

    onnxruntime runs a Conv under one of two names: the node's own (also after it absorbed an activation), or, in the
    blocked layout, the *tensor* that it writes followed by `_nchwc`; and that tensor is the output of the last node
    it absorbed before the layout changed, `relu_4_nchwc` for conv_3 + relu_4. No rule on names can see that, so
    `owners` says which layer a tensor belongs to: for each conv its output, and from there on the output of each
    element-wise node (activation, BatchNormalization, Mul, Add, Identity) that is the only reader of the one before.

    Without `owners` a name belongs to the longest layer name L for which it is L, L's output as torch exports it
    (`L_output_0`), or one of the nodes that replace L (`L/convprof/...`). Reorders of the layout belong to no layer.
    """
    known = {layer: layer for layer in layers} | dict(owners)
    times = dict.fromkeys(layers, 0.0) | {"": 0.0}
    for name, milliseconds in node_times.items():
        layer = _layer_of(name, known)
        times[layer] = times.get(layer, 0.0) + milliseconds
    return times


def _layer_of(node: str, known: Mapping[str, str]) -> str:
    """Find the layer that a node of the optimised graph belongs to, or ""."""
    bare = _DECORATION.sub("", node)
    for name in (node, bare):
        if name in known:
            return known[name]
    stems = [stem for stem in known if stem and bare.startswith(stem) and _REST.fullmatch(bare, len(stem))]
    return known[max(stems, key=len)] if stems else ""


_DECORATION = re.compile(r"(_nchwc|_token_\d+)+$")
"""What ORT appends: the blocked layout, and the number that makes a generated name unique."""

_REST = re.compile(r"_output_\d+|/convprof/.+")


_CONTAINERS = ("If", "Loop", "Scan")
"""Their time is that of the nodes inside, which the trace lists as well."""


def _times_of_runs(trace: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, float]]:
    """For each run in ORT's trace the milliseconds by node; a run ends with its `model_run` event."""
    times: defaultdict[str, float] = defaultdict(float)
    for event in trace:
        name = str(event["name"])
        if name == "model_run":
            yield dict(times)
            times.clear()
        elif _is_kernel(event):
            times[name.removesuffix("_kernel_time")] += event["dur"] / 1000


def _is_kernel(event: Mapping[str, Any]) -> bool:
    """Tell whether the event is the work of one node, and not of the nodes inside it."""
    return (
        event.get("cat") == "Node"
        and str(event["name"]).endswith("_kernel_time")
        and event["args"].get("op_name") not in _CONTAINERS
    )


def _median_times(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median by name over the runs; a node that a run does not reach took 0 there."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: float(np.median([run.get(name, 0.0) for run in runs])) for name in names}

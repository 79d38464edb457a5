"""Where the time of a run goes: onnxruntime's own profile, by node and by layer."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from convprof.errors import UsageError
from convprof.records.probes import KernelTimes
from convprof.runtime.attribution import node_layers
from convprof.runtime.options import RunOptions, session_options
from convprof.runtime.probe import fast_mean, nodes_of
from convprof.runtime.sessions import Feeds, Session, open_inference


def profile_nodes(model: Path, feeds: Feeds, options: RunOptions, runs: int) -> tuple[KernelTimes, ...]:
    """The nodes of the graph as onnxruntime optimised it, in the order they ran, each with its time over `runs` runs.

    How that is found is `probe.nodes_of`'s; a run before the first one is not counted. Names differ from the
    model's: see `node_layers`.

    Raises UsageError where `runs` is below 1, and otherwise as `open_session` and `Session.run` do.
    """
    if runs < 1:
        raise UsageError("runs", f"{runs} runs leave nothing to profile", "ask for 1 or more")
    with tempfile.TemporaryDirectory(prefix="convprof-profile-") as folder:
        settings = session_options(options, str(Path(folder, "trace")))
        inference = open_inference(model, options, settings, str(model))
        session = Session(inference, str(model))
        for _ in range(runs + 1):
            session.run(feeds)
        trace = json.loads(Path(inference.end_profiling()).read_bytes())
    return msgspec.convert(nodes_of(trace, skipped=1), tuple[KernelTimes, ...])


def layer_times(
    nodes: Sequence[KernelTimes], layers: Sequence[str], owners: Mapping[str, str] = MappingProxyType({})
) -> dict[str, float]:
    """Milliseconds by layer of the original model, as `node_layers` finds them.

    What belongs to no layer, or cannot be placed, stands under "", so the sum is kept.
    """
    times = dict.fromkeys(layers, 0.0) | {"": 0.0}
    for node, layer in zip(nodes, node_layers(nodes, layers, owners), strict=True):
        times[layer or ""] = times.get(layer or "", 0.0) + fast_mean(node.ms)
    return times

"""What became of each layer of the original: its MACs, its parameters and, from a profile of both models, its time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from convprof.graph import Model, layer_owners
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.run import LayerChange
from convprof.runtime import Feeds, RunOptions, layer_times, profile_nodes

_RUNS = 20


def profile(
    benchmark: Benchmark, models: Sequence[Model], analysis: Analysis, feeds: Feeds, options: RunOptions
) -> Benchmark:
    """The benchmark of `models` with the median time of each layer of the original, which `analysis` describes."""
    layers = [conv.name for conv in analysis.convs]
    profiled = tuple(
        msgspec.structs.replace(times, layers_ms=_times(model, layers, feeds, options))
        for times, model in zip(benchmark.models, models, strict=True)
    )
    return msgspec.structs.replace(benchmark, models=profiled)


def changes(before: Analysis, after: Analysis, benchmark: Benchmark) -> tuple[LayerChange, ...]:
    """Every conv of the original, and what stands in its place in the converted model, the benchmark's second one."""
    old_times, new_times = (times.layers_ms for times in benchmark.models)
    layers = {conv.name for conv in before.convs}
    found = []
    for conv in before.convs:
        heirs = [heir for heir in after.convs if layer_name(heir.name, layers) == conv.name]
        found.append(
            LayerChange(
                name=conv.name,
                macs_before=conv.macs or 0,
                macs_after=sum(heir.macs or 0 for heir in heirs),
                parameters_before=conv.parameters,
                parameters_after=sum(heir.parameters for heir in heirs),
                latency_before_ms=old_times.get(conv.name),
                latency_after_ms=new_times.get(conv.name),
            )
        )
    return tuple(found)


def layer_name(node: str, layers: Collection[str]) -> str:
    """Which of the original model's `layers` a node of a rewritten model belongs to, or its own name."""
    parts = node.split("/convprof/")
    # The original may have been rewritten before: what belongs to a layer then holds the mark more than once.
    stems = ("/convprof/".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((stem for stem in stems if stem in layers), node)


def owners(model: Model, layers: Collection[str]) -> dict[str, str]:
    """Which of the original model's `layers` owns each tensor that a runtime may name a node after."""
    return {tensor: layer_name(name, layers) for tensor, name in layer_owners(model).items()}


def _times(model: Model, layers: Sequence[str], feeds: Feeds, options: RunOptions) -> dict[str, float]:
    """Median milliseconds by layer of the original, in `model`."""
    nodes = profile_nodes(Path(model.file.path), feeds, options, _RUNS)
    return layer_times(nodes, layers, owners(model, layers))

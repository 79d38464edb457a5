"""What became of each layer of the original: its MACs, its parameters and, from a profile of both models, its time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from convprof.graph import Model, layer_name, layer_owners
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark
from convprof.records.run import LayerChange
from convprof.runtime import Feeds, RunOptions, layer_times, profile_nodes

_RUNS = 20


def profile(
    benchmark: Benchmark, models: Sequence[Model], analysis: Analysis, feeds: Feeds, options: RunOptions
) -> Benchmark:
    """The benchmark with the median time of each layer of the original in `models`, the first ones that it timed.

    `analysis` describes the original.
    """
    layers = [conv.name for conv in analysis.convs]
    profiled = tuple(
        msgspec.structs.replace(times, layers_ms=_times(model, layers, feeds, options))
        for times, model in zip(benchmark.models, models, strict=False)
    )
    return msgspec.structs.replace(benchmark, models=(*profiled, *benchmark.models[len(models) :]))


def changes(before: Analysis, after: Analysis, benchmark: Benchmark) -> tuple[LayerChange, ...]:
    """Every conv of the original, and what stands in its place in the converted model, the benchmark's second one."""
    old_times, new_times = (times.layers_ms for times in benchmark.models[:2])
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


def _times(model: Model, layers: Sequence[str], feeds: Feeds, options: RunOptions) -> dict[str, float]:
    """Milliseconds by layer of the original, in `model`."""
    nodes = profile_nodes(Path(model.file.path), feeds, options, _RUNS)
    return layer_times(nodes, layers, layer_owners(model, layers))

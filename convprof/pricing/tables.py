"""From the times of nodes in whole models to the prices of layers and candidates.

    price = kernels of the layer + nodes of the layer x overhead

A run without a profile differs from the sum of its profiled kernels by what the runtime does between nodes, less what
taking the profile costs; both grow with the number of nodes. `overhead` is that difference a node, the median over all
probes. It is below 0 where the profile costs more (2 to 3 microseconds a node on the CPU, as much as a small kernel).

What a node takes is found from many short times, of which the faster half counts, of the runs in a round and of the
rounds: other programs hardly disturb it, while they lengthen whole runs. So prices rest on nodes, and whole runs only
say what lies between those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convprof.records.plan import PlannedLayer
from convprof.records.prices import CandidatePrice, LatencyTable, LayerPrice, ProbePrice, Timing
from convprof.records.probes import ModelVisits, Probe, ProbeTimes
from convprof.records.remarks import Remark
from convprof.runtime import fast_mean, node_layers
from convprof.stats.samples import Sample
from convprof.stats.summaries import interquartile_range, median

_UNMAPPED = 0.05
_FEW_ROUNDS = 3
_NOISY = 0.10
_EXPLAINED = 0.7
Rounds = NDArray[np.float64]


@dataclass(frozen=True)
class _Visited:
    """One model: ms by round of each layer, of the rest (""), and of what could not be placed (None); and nodes."""

    probe: Probe
    end_to_end: Rounds
    times: dict[str | None, Rounds]
    nodes: dict[str | None, int]

    @property
    def kernels(self) -> Rounds:
        return np.sum(list(self.times.values()), axis=0) if self.times else np.zeros_like(self.end_to_end)

    @property
    def count(self) -> int:
        return sum(self.nodes.values())

    def price(self, layer: str, overhead: float) -> Timing:
        """What the layer takes, with the overhead of its nodes."""
        zero = np.zeros_like(self.end_to_end)
        return _timing(np.maximum(self.times.get(layer, zero) + overhead * self.nodes.get(layer, 0), 0.0))


def table(found: ProbeTimes) -> LatencyTable:
    """The prices that follow from what all probes took; the first probe is the model as it is."""
    probes = found.probes
    seen = [_visited(probe, times, probes.layers) for probe, times in zip(probes.models, found.times, strict=True)]
    overhead = _node_overhead(seen)
    return LatencyTable(
        schema="convprof.latency/1",
        model=probes.model,
        inputs=probes.inputs,
        precision=probes.precision,
        environment=found.environment,
        layers=tuple(LayerPrice(name, seen[0].price(name, overhead)) for name in probes.layers),
        candidates=tuple(_candidate(each, layer, overhead) for each in seen for layer in each.probe.layers),
        probes=tuple(_summary(each) for each in seen),
        node_overhead=overhead,
        cautions=_cautions(seen),
    )


def _visited(probe: Probe, visits: ModelVisits, layers: tuple[str, ...]) -> _Visited:
    times: dict[str | None, Rounds] = {}
    nodes: dict[str | None, int] = {}
    for node, layer in zip(visits.nodes, node_layers(visits.nodes, layers, probe.owners), strict=True):
        times[layer] = times.get(layer, 0.0) + np.array(node.ms)
        nodes[layer] = nodes.get(layer, 0) + 1
    return _Visited(probe, np.array(visits.end_to_end), times, nodes)


def _node_overhead(seen: list[_Visited]) -> float:
    """Milliseconds that a node takes beyond its profiled kernel; below 0 where the profile costs more.

    Large models on a busy machine say nothing of it: it is 0 where the middle half of the models spans more than it,
    and where most of what whole runs take is something else.
    """
    found = [(_timing(each.end_to_end).ms - _timing(each.kernels).ms) / each.count for each in seen if each.count]
    if not found or _explained(seen) < _EXPLAINED:
        return 0.0
    sample = Sample(found)
    return median(sample) if interquartile_range(sample) <= abs(median(sample)) else 0.0


def _explained(seen: list[_Visited]) -> float:
    """Which share of a whole run its nodes take, as the median over the models."""
    return float(np.median([_timing(each.kernels).ms / _timing(each.end_to_end).ms for each in seen]))


def _candidate(seen: _Visited, layer: PlannedLayer, overhead: float) -> CandidatePrice:
    return CandidatePrice(layer.name, layer.form, layer.rank, layer.emission, seen.price(layer.name, overhead))


def _summary(seen: _Visited) -> ProbePrice:
    zero = np.zeros_like(seen.end_to_end)
    rest, unmapped = seen.times.get("", zero), seen.times.get(None, zero)
    return ProbePrice(
        label=seen.probe.label,
        nodes=seen.count,
        layers=_timing(seen.kernels - rest - unmapped).ms,
        rest=_timing(rest).ms,
        unmapped=_timing(unmapped).ms,
        end_to_end=_timing(seen.end_to_end),
    )


def _kernels(probe: ProbePrice) -> float:
    return probe.layers + probe.rest + probe.unmapped


def _timing(rounds: Rounds) -> Timing:
    sample = Sample(rounds)
    return Timing(fast_mean(rounds.tolist()), interquartile_range(sample), len(sample))


def _cautions(seen: list[_Visited]) -> tuple[Remark, ...]:
    """What makes the prices doubtful."""
    found: list[Remark] = []
    if len(seen[0].end_to_end) < _FEW_ROUNDS:
        text = f"{len(seen[0].end_to_end)} rounds say little of how far times spread: allow more time"
        found.append(Remark("few-rounds", text))
    summaries = [_summary(each) for each in seen]
    spread = float(np.median([each.end_to_end.iqr / each.end_to_end.ms for each in summaries]))
    if spread > _NOISY:
        text = f"the middle half of the rounds spans {spread:.0%} of the time: quieten the machine or measure longer"
        found.append(Remark("noisy", text))
    explained = _explained(seen)
    if 0 < explained < _EXPLAINED:
        text = (
            f"the nodes take {explained:.0%} of the time of a whole run: other programs had the processor, or the "
            "provider does not wait for its nodes"
        )
        found.append(Remark("unexplained-time", text))
    share = max(each.unmapped / max(_kernels(each), 1e-9) for each in summaries)
    if share > _UNMAPPED:
        text = f"up to {share:.0%} of a model's time could not be placed in a layer: the prices leave it out"
        found.append(Remark("unmapped-time", text))
    if any(each.layers == 0 for each in summaries):
        text = "the provider tells no times of single layers: whole models were timed, and no layer has a price"
        found.append(Remark("no-layer-times", text))
    return tuple(found)

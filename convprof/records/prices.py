"""What layers and their candidates cost in time on one machine: the record in latency.json (convprof.latency/1).

Times are milliseconds of one inference at the shapes of `inputs`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.analysis import ModelFile, TensorSpec
from convprof.records.benchmark import Environment
from convprof.records.convs import Rank
from convprof.records.plan import Emission
from convprof.records.remarks import Remark


class Timing(msgspec.Struct, frozen=True):
    """A time in ms as it was found in several rounds.

    `ms` is the mean of the faster half of the rounds: other programs only ever lengthen a time. `iqr` is how far the
    middle half of the rounds spans.
    """

    ms: float
    iqr: float
    rounds: int


class LayerPrice(msgspec.Struct, frozen=True):
    """A conv as it is: the time of the nodes that it became, fused neighbours and its changes of layout included."""

    name: str
    time: Timing


class CandidatePrice(msgspec.Struct, frozen=True):
    """A candidate in the place of a conv, in the graph that would be emitted; counted as in `LayerPrice`."""

    name: str
    form: str
    rank: Rank
    emission: Emission
    time: Timing


class ProbePrice(msgspec.Struct, frozen=True):
    """One whole model that was profiled.

    `layers` is the sum over its convs, `rest` the nodes known to belong to no conv, `unmapped` what could not be
    placed; `end_to_end` was measured beside, without a profile. What lies between them is the runtime's own work
    between `nodes` nodes, less what taking the profile costs.
    """

    label: str
    nodes: int
    layers: float
    rest: float
    unmapped: float
    end_to_end: Timing


class LatencyTable(msgspec.Struct, frozen=True):
    """Prices of all candidates of all convs of one model, on one machine, in one precision.

    The first of `probes` is the model as it is. `node_overhead` is what a node takes beyond its profiled kernel, found
    from all probes; it is in every price. It is below 0 where taking the profile costs more than the runtime itself.
    """

    schema: Literal["convprof.latency/1"]
    model: ModelFile
    inputs: tuple[TensorSpec, ...]
    precision: str
    environment: Environment
    layers: tuple[LayerPrice, ...]
    candidates: tuple[CandidatePrice, ...]
    probes: tuple[ProbePrice, ...]
    node_overhead: float
    cautions: tuple[Remark, ...] = ()

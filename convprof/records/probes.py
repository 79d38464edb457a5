"""Models made to be timed, and what was timed: what goes to another machine and what comes back from it.

All times are milliseconds, one entry a round. `Probes` is the manifest beside the models (convprof.probes/1),
`ProbeTimes` the file that comes back (convprof.probe-times/1).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.analysis import ModelFile, TensorSpec
from convprof.records.benchmark import Environment
from convprof.records.plan import PlannedLayer


class Probe(msgspec.Struct, frozen=True):
    """One whole model: its file, the candidates that stand in it, and the layer of each name, "" for none."""

    label: str
    file: str
    layers: tuple[PlannedLayer, ...]
    owners: dict[str, str]


class Probes(msgspec.Struct, frozen=True):
    """All models to be timed; the first is the model as it is. `layers` are all its convs."""

    schema: Literal["convprof.probes/1"]
    convprof: str
    model: ModelFile
    inputs: tuple[TensorSpec, ...]
    precision: str
    layers: tuple[str, ...]
    models: tuple[Probe, ...]


class KernelTimes(msgspec.Struct, frozen=True):
    """A node of the graph as the runtime optimised it: the shapes that it reads and writes, and its times."""

    name: str
    op: str
    provider: str
    reads: tuple[tuple[int, ...], ...]
    writes: tuple[tuple[int, ...], ...]
    ms: tuple[float, ...]


class ModelVisits(msgspec.Struct, frozen=True):
    """What one model took: `end_to_end` without a profile, its nodes, in the order they ran, with one."""

    label: str
    end_to_end: tuple[float, ...]
    nodes: tuple[KernelTimes, ...]


class ProbeTimes(msgspec.Struct, frozen=True):
    """What all models took, in the order of `probes.models`."""

    schema: Literal["convprof.probe-times/1"]
    probes: Probes
    environment: Environment
    times: tuple[ModelVisits, ...]

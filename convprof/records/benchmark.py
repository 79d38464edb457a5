"""How fast models are on this machine: the record that `bench` writes (convprof.benchmark/1). Times in ms."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.gates import Gate
from convprof.records.machine import Machine
from convprof.records.remarks import Remark

Verdict = Literal["faster", "slower", "no-measurable-difference", "inconclusive"]


class ModelTimes(msgspec.Struct, frozen=True):
    """The raw times of one model, in the order they were taken, and their summary.

    `samples_ms` are summed up, `settling_ms` were taken before them and are not. Where there were several processes,
    both hold one process after another, and `load_ms` and `first_ms` are medians. `peak_memory` is in bytes.
    """

    path: str
    sha256: str
    samples_ms: tuple[float, ...]
    median_ms: float
    iqr_ms: float
    percentiles_ms: dict[str, float]
    load_ms: float
    first_ms: float
    peak_memory: int | None = None
    layers_ms: dict[str, float] = {}
    """Median profiled time by layer of the model, where a profile was taken."""
    settling_ms: tuple[float, ...] = ()


class Comparison(msgspec.Struct, frozen=True):
    """Two models of one run: `speedup` = time of the baseline / time of the candidate."""

    baseline: int
    candidate: int
    speedup: float
    interval: tuple[float, float]
    level: float
    verdict: Verdict


class Environment(msgspec.Struct, frozen=True):
    """Where the times were taken, and how: prices of one environment are not used in another.

    `cores` are the logical ones that the process may run on. More than one of `inter_op_threads` says that operators
    ran beside each other.
    """

    cpu: str
    cores: int
    threads: int
    providers: tuple[str, ...]
    onnxruntime: str
    os: str
    python: str
    numpy: str
    convprof: str
    inter_op_threads: int = 1
    graph_optimization: str = "all"
    session_options: dict[str, str] = {}


class ProcessRounds(msgspec.Struct, frozen=True):
    """What one process gave: its rounds that are summed up, and those before, in which times had not settled."""

    rounds: int
    settling: int = 0


class BatchTimes(msgspec.Struct, frozen=True):
    """One model at one batch size: `times` are of whole batches, `per_second` and its `interval` are of samples."""

    times: ModelTimes
    per_second: float
    interval: tuple[float, float]
    level: float


class Throughput(msgspec.Struct, frozen=True):
    """All models at one batch size, measured as a benchmark of its own; models are numbered as in that around it.

    A `speedup` is a ratio of throughputs: of the candidate / of the baseline. `cautions` are those that it has beyond
    the benchmark around it.
    """

    batch: int
    models: tuple[BatchTimes, ...]
    comparisons: tuple[Comparison, ...]
    processes: tuple[ProcessRounds, ...] = ()
    floor: Comparison | None = None
    cautions: tuple[Remark, ...] = ()


class Benchmark(msgspec.Struct, frozen=True):
    """All models, measured interleaved, in one process or in each of several.

    `twin` is the first model once more, in a session of its own, and `floor` its comparison with itself: differences
    that mean nothing. Records without `processes` are of one. `throughput` is by batch size, in the order asked for;
    everything else is of the models' own batch, or of 1 where that is free. `command` measures all of it again.
    """

    schema: Literal["convprof.benchmark/1"]
    models: tuple[ModelTimes, ...]
    comparisons: tuple[Comparison, ...]
    environment: Environment
    cautions: tuple[Remark, ...] = ()
    processes: tuple[ProcessRounds, ...] = ()
    twin: ModelTimes | None = None
    floor: Comparison | None = None
    gates: tuple[Gate, ...] = ()
    machine: Machine | None = None
    throughput: tuple[Throughput, ...] = ()
    command: str = ""

    def model(self, at: int) -> ModelTimes | None:
        """The model at an index, which may come out of an edited file; None where there is no such model."""
        return self.models[at] if 0 <= at < len(self.models) else None

    def rounds(self) -> tuple[int, ...]:
        """Rounds of each process."""
        counted = tuple(each.rounds for each in self.processes)
        return counted or (len(self.models[0].samples_ms) if self.models else 0,)

    def noise(self) -> tuple[float, float]:
        """What a ratio has to be beyond to be a difference: the floor, where it was measured in one process.

        One process shows what may differ between two sessions in that floor only; intervals of several have it in them.
        """
        return (1.0, 1.0) if self.floor is None or len(self.rounds()) > 1 else self.floor.interval

"""How fast models are on this machine: the record that `bench` writes (convprof.benchmark/1). Times in ms."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.remarks import Remark

Verdict = Literal["faster", "slower", "no-measurable-difference", "inconclusive"]


class ModelTimes(msgspec.Struct, frozen=True):
    """The raw times of one model, in the order they were taken, and their summary."""

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


class Comparison(msgspec.Struct, frozen=True):
    """Two models of one run: `speedup` = time of the baseline / time of the candidate."""

    baseline: int
    candidate: int
    speedup: float
    interval: tuple[float, float]
    level: float
    verdict: Verdict


class Environment(msgspec.Struct, frozen=True):
    """Where the times were taken."""

    cpu: str
    cores: int
    threads: int
    providers: tuple[str, ...]
    onnxruntime: str
    os: str
    python: str
    numpy: str
    convprof: str


class Benchmark(msgspec.Struct, frozen=True):
    """All models, measured interleaved in one process."""

    schema: Literal["convprof.benchmark/1"]
    models: tuple[ModelTimes, ...]
    comparisons: tuple[Comparison, ...]
    environment: Environment
    cautions: tuple[Remark, ...] = ()

    def model(self, at: int) -> ModelTimes | None:
        """The model at an index, which may come out of an edited file; None where there is no such model."""
        return self.models[at] if 0 <= at < len(self.models) else None

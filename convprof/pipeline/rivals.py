"""What one would do instead of converting: the original in int8, made, compared and timed beside the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convprof import benchmarking, quantization
from convprof.errors import ModelError
from convprof.graph import Model, stored_bytes
from convprof.pipeline.job import Job
from convprof.pipeline.steps import compare
from convprof.records.benchmark import Benchmark
from convprof.records.fidelity import Fidelity
from convprof.records.remarks import Remark
from convprof.records.run import Quantization, Rival

_NAME = "dense int8"


@dataclass(frozen=True)
class Int8:
    """The original in int8, and how near its outputs are; or why there is none."""

    made: Quantization | None
    fidelity: Fidelity | None = None
    remarks: tuple[Remark, ...] = ()


def int8(job: Job, path: Path) -> Int8:
    """The original in int8, written to `path`; a model that cannot be quantised has no such rival, and it says why."""
    if job.batches is None:
        return Int8(None)
    try:
        made = quantization.quantize(job.opened, job.batches, path, options=job.options, progress=job.progress)
        fidelity = None
        if job.judged is not None:
            fidelity = compare(job.opened, job.path, path, job.judged, job.metric, job.options, job.progress)
    except ModelError as error:
        path.unlink(missing_ok=True)
        return Int8(None, remarks=(Remark("no-int8", f"the model was not compared with itself in int8: {error.why}"),))
    known = set(job.opened.notices)
    return Int8(made, fidelity, tuple(notice for notice in made.notices if notice not in known))


def rival(job: Job, found: Int8, written: Model, benchmark: Benchmark) -> Rival | None:
    """The record, from a benchmark of the original, the converted model and the rival, in this order."""
    if found.made is None:
        return None
    return Rival(
        name=_NAME,
        path=found.made.path,
        samples=found.made.samples,
        bytes=found.made.bytes_after,
        bytes_original=stored_bytes(job.opened),
        bytes_converted=stored_bytes(written),
        fidelity=found.fidelity,
        against_original=benchmark.comparisons[1],
        against_converted=benchmarking.compare(benchmark, 1, 2, seed=job.seed),
    )

"""A benchmark as tables, and as one row a model and batch size."""

from __future__ import annotations

from collections.abc import Sequence

from convprof.records.benchmark import Benchmark, Comparison, ModelTimes, Throughput
from convprof.reporting import wording
from convprof.reporting.document import Cell, Column, Document, Fact, Sheet, Table, filled
from convprof.reporting.outcome import model_name
from convprof.reporting.views import gates as gates_view
from convprof.reporting.views.environment import environment

_DECIMALS = 3
"""Of speed-ups side by side: a noise floor of 0.4 % has to be told from none."""


def document(benchmark: Benchmark) -> Document:
    """Where it ran, whether the limits are kept, how long each model took, and how they compare."""
    return Document(
        title="Benchmark",
        facts=(*environment(benchmark), *rounds(benchmark), *_command(benchmark)),
        tables=filled(
            (gates_view.table(benchmark.gates), models(benchmark), comparisons(benchmark), throughput(benchmark))
        ),
        notes=remarks(benchmark),
    )


def remarks(benchmark: Benchmark) -> tuple[str, ...]:
    """All cautions; those of a batch size alone say so."""
    return (
        *wording.remarks(benchmark.cautions),
        *(
            f"{remark.code}: at batch {each.batch}, {remark.text}"
            for each in benchmark.throughput
            for remark in each.cautions
        ),
    )


def sheet(benchmark: Benchmark) -> Sheet:
    """One row a model, with the comparison in which it is the candidate; then the same at each batch size."""
    percentiles = _percentiles(benchmark)
    return Sheet(
        (
            "path",
            "sha256",
            "batch",
            "samples",
            "median_ms",
            "iqr_ms",
            *(f"p{each}_ms" for each in percentiles),
            "load_ms",
            "first_ms",
            "peak_memory",
            "baseline",
            "speedup",
            "low",
            "high",
            "level",
            "verdict",
            "per_second",
            "per_second_low",
            "per_second_high",
        ),
        (
            *(
                (*_row(each, None, percentiles), *_compared(benchmark.comparisons, at), None, None, None)
                for at, each in enumerate(benchmark.models)
            ),
            *(
                (
                    *_row(each.times, found.batch, percentiles),
                    *_compared(found.comparisons, at),
                    each.per_second,
                    *each.interval,
                )
                for found in benchmark.throughput
                for at, each in enumerate(found.models)
            ),
        ),
    )


def _row(each: ModelTimes, batch: int | None, percentiles: list[str]) -> tuple[Cell, ...]:
    return (
        each.path,
        each.sha256,
        batch,
        len(each.samples_ms),
        each.median_ms,
        each.iqr_ms,
        *(each.percentiles_ms.get(percentile) for percentile in percentiles),
        each.load_ms,
        each.first_ms,
        each.peak_memory,
    )


def _command(benchmark: Benchmark) -> tuple[Fact, ...]:
    return (Fact("Reproduce", benchmark.command, verbatim=True),) if benchmark.command else ()


def rounds(benchmark: Benchmark) -> tuple[Fact, ...]:
    """How the times were taken, where the record says so."""
    if not benchmark.processes:
        return ()
    left_out = sum(each.settling for each in benchmark.processes)
    rounds = wording.counted(sum(each.rounds for each in benchmark.processes), "round")
    where = "one process" if len(benchmark.processes) == 1 else f"{len(benchmark.processes)} processes"
    return (Fact("Measured", f"{rounds} in {where}, {wording.count(left_out)} before them left out"),)


def models(benchmark: Benchmark) -> Table:
    """One row a model; a percentile has a column where some model has enough samples for it."""
    percentiles = _percentiles(benchmark)
    return Table(
        "Models",
        (
            Column("model", "name"),
            Column("samples"),
            Column("median"),
            Column("IQR"),
            *(Column(f"p{each}") for each in percentiles),
            Column("load"),
            Column("first run"),
            *([Column("peak memory")] if _memory_known(benchmark) else []),
        ),
        tuple(_model(each, percentiles, _memory_known(benchmark)) for each in benchmark.models),
    )


def comparisons(benchmark: Benchmark) -> Table:
    """One row a comparison, and the noise floor under them; above 1 is faster."""
    return Table(
        "Comparisons: time of the baseline / time of the candidate",
        (
            Column("candidate", "name"),
            Column("baseline", "name"),
            Column("speed-up"),
            Column("interval"),
            Column("level"),
            Column("verdict", "text"),
        ),
        (
            *(_comparison(benchmark, each, each.verdict) for each in benchmark.comparisons),
            *(_comparison(benchmark, each, "noise floor") for each in (benchmark.floor,) if each is not None),
        ),
    )


def throughput(benchmark: Benchmark) -> Table:
    """One row a batch size and model, each beside the first model at that size; above 1 is more samples a second."""
    return Table(
        "Throughput by batch size",
        (
            Column("batch"),
            Column("model", "name"),
            Column("median"),
            Column("samples a second"),
            Column("interval"),
            Column("against the first"),
            Column("interval"),
            Column("verdict", "text"),
        ),
        tuple(
            (
                wording.count(found.batch),
                each.times.path,
                wording.milliseconds(each.times.median_ms),
                wording.significant(each.per_second, 4),
                " to ".join(wording.significant(end, 4) for end in each.interval),
                *_against_first(found, at),
            )
            for found in benchmark.throughput
            for at, each in enumerate(found.models)
        ),
    )


def _against_first(found: Throughput, at: int) -> tuple[str, str, str]:
    for each in found.comparisons:
        if each.candidate == at:
            ends = " to ".join(wording.ratio(end, _DECIMALS) for end in each.interval)
            return wording.ratio(each.speedup, _DECIMALS), ends, each.verdict
    return wording.UNKNOWN, wording.UNKNOWN, ""


def _comparison(benchmark: Benchmark, each: Comparison, said: str) -> tuple[str, ...]:
    return (
        model_name(benchmark, each.candidate),
        model_name(benchmark, each.baseline),
        wording.ratio(each.speedup, _DECIMALS),
        " to ".join(wording.ratio(end, _DECIMALS) for end in each.interval),
        wording.percent(each.level, 0),
        said,
    )


def _percentiles(benchmark: Benchmark) -> list[str]:
    """The percentiles that some model has, in rising order where they are numbers."""
    times = (*benchmark.models, *(each.times for found in benchmark.throughput for each in found.models))
    found = {percentile for each in times for percentile in each.percentiles_ms}
    return sorted(found, key=lambda percentile: (len(percentile.partition(".")[0]), percentile))


def _memory_known(benchmark: Benchmark) -> bool:
    return any(each.peak_memory is not None for each in benchmark.models)


def _model(each: ModelTimes, percentiles: list[str], with_memory: bool) -> tuple[str, ...]:
    return (
        each.path,
        wording.count(len(each.samples_ms)),
        wording.milliseconds(each.median_ms),
        wording.milliseconds(each.iqr_ms),
        *(wording.milliseconds(each.percentiles_ms.get(percentile)) for percentile in percentiles),
        wording.milliseconds(each.load_ms),
        wording.milliseconds(each.first_ms),
        *([wording.mebibytes(each.peak_memory)] if with_memory else []),
    )


def _compared(comparisons: Sequence[Comparison], at: int) -> tuple[Cell, ...]:
    for each in comparisons:
        if each.candidate == at:
            return (each.baseline, each.speedup, *each.interval, each.level, each.verdict)
    return (None,) * 6

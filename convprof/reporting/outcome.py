"""The outcome of a run in four figures, worded once for every medium: speed, quality, MACs, parameters."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.records.benchmark import Benchmark, Verdict
from convprof.records.fidelity import Fidelity, MetricChange
from convprof.records.run import Run
from convprof.reporting import wording
from convprof.reporting.escaping import visible
from convprof.reporting.losses import UNITLESS, UNITS

SPEEDS: dict[Verdict, str] = {
    "faster": "faster",
    "slower": "slower",
    "no-measurable-difference": "no measurable difference",
    "inconclusive": "inconclusive",
}


@dataclass(frozen=True)
class Figure:
    """One figure to read from afar: its subject, the figure, what it means, and what stands behind it."""

    subject: str
    value: str
    meaning: str
    details: tuple[str, ...]


def figures(run: Run) -> tuple[Figure, ...]:
    """Speed, quality, MACs and parameters, in the order in which people ask."""
    return (speed(run), quality(run.fidelity), macs(run), parameters(run))


def model_name(benchmark: Benchmark, at: int) -> str:
    """The path of a model, or its number where there is no such model."""
    found = benchmark.model(at)
    return found.path if found else f"model {at}"


def speed(run: Run) -> Figure:
    """How much faster, with the interval."""
    found, (low, high) = run.judged(), run.verdict.interval
    before, after = run.compared()
    interval = wording.interval(wording.ratio(low), wording.ratio(high), found.level if found else None)
    medians = (
        f"median {wording.milliseconds(before.median_ms)} {wording.ARROW} {wording.milliseconds(after.median_ms)}"
        if before and after
        else "medians not recorded"
    )
    meaning = SPEEDS[found.verdict] if found else "no comparison recorded"
    return Figure("Speed", wording.ratio(run.verdict.speedup), meaning, (interval, medians))


def quality(fidelity: Fidelity | None) -> Figure:
    """The metric's change; without a metric what the outputs say; without data that nothing was verified."""
    if fidelity is None:
        return Figure("Quality", "not verified", "no data was given", ("nothing is known about the outputs",))
    if fidelity.metric is not None:
        return _metric(fidelity.metric, fidelity.samples)
    samples = ("no metric was given", wording.counted(fidelity.samples, "input"))
    for output in fidelity.outputs:
        if output.top1_agreement is not None:
            agreement = wording.percent(output.top1_agreement)
            return Figure("Quality", agreement, "top-1 agreement with the original", (visible(output.name), *samples))
    for output in fidelity.outputs:
        if output.sqnr_db is not None:
            noise = wording.decibels(output.sqnr_db)
            return Figure("Quality", noise, "signal to noise of the output", (visible(output.name), *samples))
    return Figure("Quality", "no metric", "outputs compared only", samples)


def _metric(metric: MetricChange, samples: int) -> Figure:
    words = metric_words(metric)
    return Figure(
        "Quality",
        words.difference,
        visible(metric.name),
        (f"{words.before} {wording.ARROW} {words.after}", words.interval, f"n = {samples:,}"),
    )


@dataclass(frozen=True)
class MetricWords:
    """A metric's change in words, all parts to the same decimals."""

    before: str
    after: str
    difference: str
    interval: str


def metric_words(metric: MetricChange) -> MetricWords:
    """The metric before and after, the signed difference, and its interval or that there is none."""
    scale, unit, step = UNITS.get(metric.name, UNITLESS)
    decimals = 2 if unit else wording.metric_decimals(metric.before, metric.after)
    interval = "no interval"
    if metric.interval is not None:
        low, high = metric.interval
        ends = (wording.plus(scale * low, decimals), wording.plus(scale * high, decimals))
        interval = wording.interval(*ends, metric.level)
    return MetricWords(
        wording.fixed(scale * metric.before, decimals) + unit,
        wording.fixed(scale * metric.after, decimals) + unit,
        wording.plus(scale * metric.difference, decimals) + step,
        interval,
    )


def macs(run: Run) -> Figure:
    """How much less work."""
    before, after = run.analysis.totals.macs, run.analysis_after.totals.macs
    return less("Work", "MACs", before, after)


def parameters(run: Run) -> Figure:
    """How much smaller."""
    before, after = run.analysis.totals.parameters, run.analysis_after.totals.parameters
    return less("Size", "parameters", before, after)


def less(subject: str, unit: str, before: int, after: int) -> Figure:
    """How much less of something there is."""
    return Figure(
        subject,
        wording.change(before, after),
        unit,
        (f"{wording.quantity(before)} {wording.ARROW} {wording.quantity(after)}",),
    )


def judgement(run: Run) -> str:
    """The verdict in two or three words."""
    if run.verdict.worth_it:
        return "Worth it"
    return "Not worth it" if run.fidelity is not None else "Not judged"

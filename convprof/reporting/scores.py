"""The score after each step of making the model: the original, and what each step left of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from convprof.records.fidelity import Fidelity
from convprof.records.run import StageScore
from convprof.reporting import wording
from convprof.reporting.document import Column, Table
from convprof.reporting.escaping import shortened
from convprof.reporting.losses import UNITLESS, UNITS
from convprof.reporting.outcome import metric_words, quality

TITLE = "Score after each stage"
ORIGINAL = "original"
_LONGEST = 40


@dataclass(frozen=True)
class Score:
    """The score after one stage: a number with its unit in `words`, and an interval where there is one.

    None where it is not known: where the outputs are equal, a signal-to-noise ratio is not.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    words: str
    change: str = wording.UNKNOWN
    samples: str = wording.UNKNOWN
    seconds: str = wording.UNKNOWN


def measure(found: tuple[StageScore, ...]) -> str:
    """What the scores are, with their unit: the metric, or what is known instead."""
    fidelity = found[-1].fidelity
    if fidelity.metric is None:
        return quality(fidelity).meaning
    _, unit, _ = UNITS.get(fidelity.metric.name, UNITLESS)
    return f"{shortened(fidelity.metric.name, _LONGEST)}{f', {unit.strip()}' if unit else ''}"


def scores(found: tuple[StageScore, ...]) -> tuple[Score, ...]:
    """The original and each stage; none where no stage was scored."""
    return (_original(found[-1].fidelity), *(_score(each) for each in found)) if found else ()


def table(found: tuple[StageScore, ...]) -> Table:
    """One row a stage."""
    heading = measure(found) if found else "score"
    return Table(
        TITLE,
        (
            Column("after", "text"),
            Column(heading),
            Column("change (interval)", "text"),
            Column("data"),
            Column("time"),
        ),
        tuple((each.name, each.words, each.change, each.samples, each.seconds) for each in scores(found)),
    )


def _original(fidelity: Fidelity) -> Score:
    """The metric before; without one the original is what all are compared with."""
    metric = fidelity.metric
    if metric is None:
        return Score(ORIGINAL, None, None, wording.UNKNOWN)
    factor, *_ = UNITS.get(metric.name, UNITLESS)
    return Score(ORIGINAL, _finite(factor * metric.before), None, metric_words(metric).before)


def _score(stage: StageScore) -> Score:
    metric = stage.fidelity.metric
    samples = wording.counted(stage.samples, "input") if stage.samples is not None else "none"
    seconds = wording.seconds(stage.seconds)
    if metric is None:
        value, words = _closeness(stage.fidelity)
        return Score(stage.name, value, None, words, samples=samples, seconds=seconds)
    factor, *_ = UNITS.get(metric.name, UNITLESS)
    ends = None if metric.interval is None else tuple(factor * (metric.before + end) for end in metric.interval)
    told = metric_words(metric)
    return Score(
        stage.name,
        _finite(factor * metric.after),
        (ends[0], ends[1]) if ends and all(map(isfinite, ends)) else None,
        told.after,
        f"{told.difference}, {told.interval}",
        samples,
        seconds,
    )


def _closeness(fidelity: Fidelity) -> tuple[float | None, str]:
    """What `quality` tells of a fidelity without a metric, as a number and in words."""
    for output in fidelity.outputs:
        if output.top1_agreement is not None:
            return 100 * output.top1_agreement, wording.percent(output.top1_agreement)
    for output in fidelity.outputs:
        if output.sqnr_db is not None:
            return _finite(output.sqnr_db), wording.decibels(output.sqnr_db)
    return None, wording.UNKNOWN


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None

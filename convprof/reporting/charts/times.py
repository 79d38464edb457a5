"""Every latency sample of every model: a strip of dots, and above it the middle half as a box with its median."""

from __future__ import annotations

from math import isfinite
from statistics import quantiles

from convprof.records.benchmark import Benchmark, ModelTimes
from convprof.reporting import wording
from convprof.reporting.charts.marks import Bar, Chart, Dot, Key, Row, Stroke, Tone
from convprof.reporting.charts.scales import Scale, around

_HEIGHT, _BOX, _STRIP = 58, 9, 32
_DOTS = 400
_FAR = 8
_GOLDEN = 0.618033988749895


def times(benchmark: Benchmark) -> Chart | None:
    """All samples on one axis; None where there are none."""
    known = [(each, _samples(each)) for each in benchmark.models if _samples(each)]
    if not known:
        return None
    scale = around(min(min(samples) for _, samples in known), max(_reach(samples) for _, samples in known))
    start = "" if scale.low == 0 else " The axis does not start at zero."
    return Chart(
        title="Every measurement",
        reading="One dot is one inference; its height means nothing. The box above the dots holds their middle half, "
        f"the line across it is the median. Clouds that do not overlap differ clearly.{start}",
        axis="time of one inference in ms",
        ticks=scale.ticks(wording.round_number),
        keys=(Key("before", "first model"), Key("after", "the others")),
        rows=tuple(_row(each, samples, scale, first=at == 0) for at, (each, samples) in enumerate(known)),
        row_height=_HEIGHT,
        note=_beyond(known, scale),
    )


def _samples(model: ModelTimes) -> list[float]:
    return [sample for sample in model.samples_ms if isfinite(sample)]


def _quartiles(samples: list[float]) -> tuple[float, float]:
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return low, high


def _reach(samples: list[float]) -> float:
    """How far the axis goes for a model: to its last sample, unless that one would squeeze all others."""
    low, high = _quartiles(samples)
    return min(max(samples), high + _FAR * max(high - low, 0.01 * high))


def _row(model: ModelTimes, samples: list[float], scale: Scale, *, first: bool) -> Row:
    tone: Tone = "before" if first else "after"
    top = (_HEIGHT - _BOX - _STRIP - 4) / 2
    strip = top + _BOX + 4
    low, high = (scale.at(quartile) for quartile in _quartiles(samples))
    median = scale.at(model.median_ms)
    step = max(1, len(samples) // _DOTS)
    dots = tuple(
        # A fixed sequence spreads the dots evenly, and the same record always gives the same page.
        Dot(scale.at(sample), round(strip + 3 + (_STRIP - 6) * (at * _GOLDEN % 1), 1), 2, tone)
        for at, sample in enumerate(samples[::step])
        if sample <= scale.high
    )
    return Row(
        name=model.path,
        bars=(Bar(low, top, max(0.0, high - low), _BOX, tone),),
        strokes=(Stroke(median, top - 3, median, top + _BOX + 3, tone),),
        dots=dots,
        value=f"{wording.milliseconds(model.median_ms)} (IQR {wording.significant(model.iqr_ms, 2)})",
    )


def _beyond(known: list[tuple[ModelTimes, list[float]]], scale: Scale) -> str:
    """Which measurements the axis does not reach: labelled, never dropped in silence."""
    far = [sample for _, samples in known for sample in samples if sample > scale.high]
    if not far:
        return ""
    return f"{wording.counted(len(far), 'measurement')} beyond the axis, up to {wording.milliseconds(max(far))}."

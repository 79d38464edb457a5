"""Fidelity -> Drop: how much worse a converted model is, by the best measure that was taken of it.

The user's metric goes before agreement with the original's classes, and that before the distance of the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

from convprof.records.fidelity import Fidelity
from convprof.records.gates import GateUnit
from convprof.stats.comparison import Interval, share_interval

Kind = Literal["metric", "agreement", "distance"]

_PERCENT = 100.0


@dataclass(frozen=True)
class Scale:
    """How a metric is told: its values times `factor`, in `unit`, and what it lost, in `step`."""

    factor: float
    unit: str
    step: GateUnit


SCALES = {
    "top1": Scale(_PERCENT, "%", "points"),
    "agreement": Scale(_PERCENT, "%", "points"),
    "psnr": Scale(1.0, "dB", "dB"),
}
"""Of the metrics whose scale is known."""

OWN_SCALE = Scale(1.0, "", "")
SHARES = frozenset(name for name, scale in SCALES.items() if scale.step == "points")
"""The metrics that are shares of the samples."""


@dataclass(frozen=True)
class Drop:
    """A loss in `unit`, not a number where it is not known, with its interval where there is one.

    `words` say what was lost: "loss of top1".
    """

    kind: Kind
    words: str
    unit: GateUnit
    value: float
    interval: Interval | None = None


def kind_of(fidelity: Fidelity) -> Kind:
    """The best measure that was taken."""
    if fidelity.metric is not None and fidelity.metric.name != "agreement":
        return "metric"
    return "agreement" if any(output.top1_agreement is not None for output in fidelity.outputs) else "distance"


def lost(kind: Kind, fidelity: Fidelity) -> float:
    """The loss by one measure, in the metric's own scale, as a share of samples or of the outputs' norm.

    Not a number where it was not measured.
    """
    if kind == "metric":
        return nan if fidelity.metric is None else -fidelity.metric.difference
    if kind == "agreement":
        agreements = [each.top1_agreement for each in fidelity.outputs if each.top1_agreement is not None]
        return 1 - min(agreements, default=nan)
    distances = [each.relative_l2 for each in fidelity.outputs]
    # An output whose error is not known spoils the worst: it may be the worst.
    known = [each for each in distances if each is not None and isfinite(each)]
    return max(known, default=nan) if len(known) == len(distances) else nan


def drop_of(fidelity: Fidelity) -> Drop:
    """The loss by the best measure; points for shares, dB for psnr, per cent for a distance."""
    kind = kind_of(fidelity)
    value = lost(kind, fidelity)
    if kind == "metric":
        return _of_metric(fidelity, value)
    if kind == "distance":
        return Drop(kind, "relative error of the worst output", "%", _PERCENT * value)
    others = round(min(max(value, 0.0), 1.0) * fidelity.samples)
    low, high = share_interval(others, fidelity.samples)
    return Drop(
        kind, "loss of agreement with the original", "points", _PERCENT * value, (_PERCENT * low, _PERCENT * high)
    )


def _of_metric(fidelity: Fidelity, value: float) -> Drop:
    metric = fidelity.metric
    if metric is None:
        return Drop("metric", "loss of the metric", "", nan)
    scale = SCALES.get(metric.name, OWN_SCALE)
    interval = None
    if metric.interval is not None:
        low, high = metric.interval
        interval = -scale.factor * high, -scale.factor * low
    return Drop("metric", f"loss of {metric.name}", scale.step, scale.factor * value, interval)

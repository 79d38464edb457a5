"""What loss and damage are called, and in which unit: one wording for a chart, a table and a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from convprof.drops import SCALES, Kind, kind_of, lost
from convprof.records.damage import Measure
from convprof.records.fidelity import Fidelity
from convprof.records.plan import Budget
from convprof.reporting import wording
from convprof.reporting.escaping import shortened

DAMAGES: dict[Measure, str] = {
    "layer-error": "summed errors of the layers' outputs; no unit, it orders plans",
    "relative-l2": "summed errors of the layers, weighed by what the outputs feel; no unit, it orders plans",
}

UNITS = {name: (each.factor, f" {each.unit}", f" {each.step}") for name, each in SCALES.items()}
"""Factor, unit and unit of a difference of the metrics whose scale is known, as they stand behind a number."""

UNITLESS = (1.0, "", "")
_LONGEST = 40  # letters of a metric's name in the head of a column


@dataclass(frozen=True)
class Loss:
    """One way to say how far outputs are from the original's: less of a metric, other classes, or distance.

    `words` name it, `unit` stands behind its numbers (with a space in front; '' where it has none), `limit` is the
    most that the budget allows.
    """

    kind: Kind
    words: str
    unit: str = ""
    factor: float = 1.0
    limit: float | None = None

    def of(self, fidelity: Fidelity | None) -> float | None:
        """The loss of a model; None where it is not known, or not a finite number."""
        value = None if fidelity is None else self.factor * lost(self.kind, fidelity)
        return value if value is not None and isfinite(value) else None

    def amount(self, value: float | None) -> str:
        """A loss with its unit."""
        if value is None:
            return wording.UNKNOWN
        words = f"{wording.fixed(value, 2) if self.unit else wording.significant(value)}{self.unit}"
        return wording.amount(words, value)


def loss_of(fidelities: Iterable[Fidelity], budget: Budget) -> Loss | None:
    """The loss that the budget speaks of, or else the best that is known of all models; None where none is known."""
    known = tuple(fidelities)
    if not known:
        return None
    if budget.min_sqnr is not None and budget.max_drop is None:
        return _distance(10 ** (-budget.min_sqnr / 20))
    metric, kind = known[0].metric, kind_of(known[0])
    if metric is not None and kind == "metric":
        factor, _, unit = UNITS.get(metric.name, UNITLESS)
        return Loss(kind, f"loss of {shortened(metric.name, _LONGEST)}", unit, factor, budget.max_drop)
    if kind == "agreement":
        factor, _, unit = UNITS[kind]
        return Loss("agreement", "loss of agreement with the original", unit, factor, budget.max_drop)
    return _distance(None)


def _distance(limit: float | None) -> Loss:
    return Loss("distance", "relative error of the worst output", limit=limit)

"""Output error by layer, weights only against fitted: two dots a layer on a logarithmic axis."""

from __future__ import annotations

from math import isfinite

from convprof.records.run import FittedLayer
from convprof.reporting import wording
from convprof.reporting.charts.marks import Chart, Dot, Key, Row, Stroke
from convprof.reporting.charts.scales import Scale, decades

_HEIGHT, _RADIUS = 22, 4.5


def errors(fits: tuple[FittedLayer, ...]) -> Chart | None:
    """The errors of every fitted layer; None where none was measured."""
    known = [fit for fit in fits if _finite(fit.error) is not None or _finite(fit.error_weights) is not None]
    if not known:
        return None
    values = [value for fit in known for value in (fit.error, fit.error_weights) if value is not None]
    scale = decades(values)
    missing = len(fits) - len(known)
    return Chart(
        title="Output error by layer",
        reading="How far each fitted layer's output is from the original's on the calibration inputs, behind the "
        "activation where one follows: 0.01 is one percent of its variance, 1 is as bad as the mean alone. The further "
        "the fitted dot lies to the left of the hollow one, the more the data helped.",
        axis="relative squared error of the output, logarithmic",
        ticks=scale.ticks(wording.round_number),
        keys=(Key("after", "closed form, fitted to data"), Key("weights", "weights only", hollow=True)),
        rows=tuple(_row(fit, scale) for fit in known),
        row_height=_HEIGHT,
        note=wording.left_out(missing, "measured"),
    )


def _row(fit: FittedLayer, scale: Scale) -> Row:
    middle = _HEIGHT / 2
    fitted, weights = _finite(fit.error), _finite(fit.error_weights)
    dots = (
        *(() if weights is None else (Dot(scale.at(weights), middle, _RADIUS, "weights", hollow=True),)),
        *(() if fitted is None else (Dot(scale.at(fitted), middle, _RADIUS, "after"),)),
    )
    strokes = (
        ()
        if fitted is None or weights is None
        else (Stroke(scale.at(fitted), middle, scale.at(weights), middle, "quiet"),)
    )
    value = f"{wording.significant(fit.error_weights, 2)} {wording.ARROW} {wording.significant(fit.error, 2)}"
    return Row(fit.name, (), strokes, dots, value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None

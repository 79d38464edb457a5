"""Error of the model's outputs as layers are converted one after another: a bar a layer, in the order of the fit."""

from __future__ import annotations

from math import isfinite

from convprof.records.run import FittedLayer
from convprof.reporting import wording
from convprof.reporting.charts.marks import Bar, Chart, Key, Row
from convprof.reporting.charts.scales import Scale, from_zero

_HEIGHT, _BAR = 22, 12


def drift(fits: tuple[FittedLayer, ...]) -> Chart | None:
    """The model's error behind every fitted layer; None where none was measured."""
    known = [(fit.name, fit.model_error) for fit in fits if fit.model_error is not None and isfinite(fit.model_error)]
    if not known:
        return None
    scale = from_zero([error for _, error in known])
    missing = len(fits) - len(known)
    return Chart(
        title="Error of the model's outputs as layers are converted one after another",
        reading="How far the outputs are from the original's with this layer and all above it converted and those "
        "below still dense, on a few of the calibration inputs: 0.1 is a tenth of the outputs' norm. A long step from "
        "one bar to the next is where it breaks; a shorter bar is a layer that repairs what those before it broke.",
        axis="relative error of the model's outputs",
        ticks=scale.ticks(wording.round_number),
        keys=(Key("after", "converted as far as this layer"),),
        rows=tuple(_row(name, error, scale) for name, error in known),
        row_height=_HEIGHT,
        note=wording.left_out(missing, "measured"),
    )


def _row(name: str, error: float, scale: Scale) -> Row:
    bar = Bar(0, (_HEIGHT - _BAR) / 2, scale.at(error), _BAR, "after")
    return Row(name, (bar,), (), (), wording.significant(error, 2))

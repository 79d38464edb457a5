"""Plans as points: how much of the dense model's time they take against what they lose.

Measured losses and predicted damages are different things, so each has a drawing of its own. Without times the share
of MACs stands on the axis instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from convprof.records.damage import Measure
from convprof.reporting import wording
from convprof.reporting.charts.marks import Dot, Key, Stroke, Tone
from convprof.reporting.charts.scales import Scale, around, decades, from_zero
from convprof.reporting.charts.scatter import HEIGHT, Level, Scatter, Spot, Wanted, placed
from convprof.reporting.front import Point, Reference
from convprof.reporting.losses import DAMAGES, Loss

_RADIUS = 5.5
_DECADE = 10.0
_BEYOND = 1.5  # an axis may be so much longer than what the limit needs before it is cut
_ROOM = 4.0  # times the limit that a cut axis shows


def fronts(
    points: Sequence[Point], measure: Measure, loss: Loss | None, references: Sequence[Reference] = ()
) -> tuple[Scatter, ...]:
    """The measured losses where there are any, and the predicted damages where some plan has no measured loss."""
    measured = _measured(points, loss, references) if loss is not None else None
    told = [loss is not None and loss.of(point.fidelity) is not None for point in points]
    predicted = _predicted(points, measure) if not all(told) else None
    return tuple(each for each in (measured, predicted) if each is not None)


@dataclass(frozen=True)
class _Mark:
    """A model with a place on both axes: its share as predicted, as measured, or both; and what it loses."""

    name: str
    y: float
    predicted: float | None
    measured: float | None
    interval: tuple[float, float] | None
    tone: Tone
    words: str
    named: bool = False
    ringed: bool = False

    @property
    def x(self) -> float:
        """Where it stands: as measured, if it was."""
        return (self.predicted or 0.0) if self.measured is None else self.measured


@dataclass(frozen=True)
class _Story:
    """What a drawing says in words."""

    title: str
    reading: str
    y_axis: str
    note: str


def _measured(points: Sequence[Point], loss: Loss, references: Sequence[Reference]) -> Scatter | None:
    timed = _timed(points)
    found = [mark for point in points if (mark := _mark(point, loss.of(point.fidelity), loss.amount, timed=timed))]
    if not found:
        return None
    others = [mark for each in references if timed and (mark := _reference(each, loss))]
    dense = _dense("loses nothing")
    values = [mark.y for mark in (*found, *others)]
    logarithmic = (loss.kind == "distance" or loss.limit is None) and _spans(values)
    chosen = next((mark.y for mark in found if mark.ringed), 0.0)
    scale = decades(values) if logarithmic else _axis([*values, 0.0], loss.limit, chosen)
    shown = [mark for mark in (*found, *others, dense) if mark.y <= scale.high]
    story = _Story(
        title="What plans lose, as measured",
        reading="Each plan was fitted and compared with the original. The further to the left the "
        f"{_better(timed)}, the lower the better."
        + (" What loses nothing, as the dense model, stands at the foot of this axis." * logarithmic),
        y_axis=f"{loss.words}{f' in{loss.unit}' if loss.unit else ''}{', logarithmic' if logarithmic else ''}",
        note=" ".join(each for each in (_beyond(values, scale, loss), _untold(len(points) - len(found))) if each),
    )
    limit = _limit(loss, scale)
    return _drawn(shown, scale, story, timed=timed, limit=limit)


def _predicted(points: Sequence[Point], measure: Measure) -> Scatter | None:
    timed = _timed(points)
    found = [mark for point in points if (mark := _mark(point, point.damage, wording.significant, timed=timed))]
    if not found:
        return None
    values = [mark.y for mark in found]
    logarithmic = _spans(values)
    scale = decades(values) if logarithmic else from_zero(values)
    story = _Story(
        title="What plans are expected to lose",
        reading=f"Each plan is the one with the least predicted damage for its {'time' if timed else 'MACs'}. The "
        f"further to the left the {_better(timed)}, the lower the gentler."
        + (" The dense model, without damage, stands at the foot." * logarithmic),
        y_axis=f"predicted damage: {DAMAGES[measure]}{', logarithmic' if logarithmic else ''}",
        note=_unpredicted(len(points) - len(found)),
    )
    return _drawn([*found, _dense("no damage")], scale, story, timed=timed)


def _drawn(
    marks: Sequence[_Mark],
    scale: Scale,
    story: _Story,
    *,
    timed: bool,
    limit: tuple[float, str] | None = None,
) -> Scatter:
    """The drawing of all marks, whose axis of shares always reaches the dense model."""
    shares = [share for mark in marks for share in (mark.predicted, mark.measured) if share is not None]
    across = around(min(shares), max(shares))
    spots = [spot for mark in marks for spot in _spots(mark, across, scale)]
    dots = [spot.dot for spot in spots]
    named = [Wanted(mark.name, across.at(mark.x), _y(scale, mark.y)) for mark in marks if mark.named]
    lines = [] if limit is None else [Stroke(0, _y(scale, limit[0]), 100, _y(scale, limit[0]), "limit")]
    if limit is not None:
        named.append(Wanted(limit[1], 0, _y(scale, limit[0]) + 8))
    return Scatter(
        title=story.title,
        reading=story.reading,
        x_axis=f"share of the dense model's {'time' if timed else 'MACs'}",
        y_axis=story.y_axis,
        ticks=across.ticks(lambda share: f"{wording.round_number(100 * share)} %"),
        levels=tuple(Level(_y(scale, stop), wording.round_number(stop)) for stop in scale.stops),
        keys=_keys(marks, timed=timed),
        strokes=(*lines, *(stroke for mark in marks for stroke in _strokes(mark, across, scale))),
        spots=tuple(spots),
        labels=placed(named, dots),
        note=story.note,
    )


def _spots(mark: _Mark, across: Scale, scale: Scale) -> list[Spot]:
    """The hollow dot of the prediction, and before it in the eye the full one of the measurement."""
    y = _y(scale, mark.y)
    found = []
    if mark.predicted is not None:
        dot = Dot(across.at(mark.predicted), y, _RADIUS, mark.tone, hollow=True)
        found.append(Spot(dot, mark.words, mark.ringed and mark.measured is None))
    if mark.measured is not None:
        found.append(Spot(Dot(across.at(mark.measured), y, _RADIUS, mark.tone), mark.words, mark.ringed))
    return found


def _strokes(mark: _Mark, across: Scale, scale: Scale) -> list[Stroke]:
    """The interval of a measurement, and what leads to it from its prediction."""
    y = _y(scale, mark.y)
    ends = [] if mark.interval is None else [mark.interval]
    if mark.predicted is not None and mark.measured is not None:
        ends.append((mark.predicted, mark.measured))
    return [Stroke(across.at(low), y, across.at(high), y, "quiet") for low, high in ends]


def _mark(point: Point, y: float | None, amount: Callable[[float], str], *, timed: bool) -> _Mark | None:
    """The mark of a plan; None where one of its places is not known."""
    if timed:
        predicted, taken = point.predicted, point.measured.latency if point.measured else None
        how = "predicted" if taken is None else "measured"
    else:
        predicted, taken, how = None, point.macs_share, "of the MACs"
    share = predicted if taken is None else taken
    if y is None or not isfinite(y) or share is None:
        return None
    return _Mark(
        name="chosen",
        y=y,
        predicted=predicted,
        measured=taken,
        interval=point.measured.interval if timed and point.measured else None,
        tone="after",
        words=f"plan {point.label}: {wording.percent(share)} {how}, {amount(y)}",
        named=point.chosen,
        ringed=point.chosen,
    )


def _reference(each: Reference, loss: Loss) -> _Mark | None:
    y = loss.of(each.fidelity)
    if y is None or not isfinite(each.latency):
        return None
    words = f"{each.label}: {wording.percent(each.latency)}, {loss.amount(y)}"
    return _Mark(each.label, y, None, each.latency, each.interval, "weights", words, named=True)


def _dense(words: str) -> _Mark:
    return _Mark("dense", 0.0, None, 1.0, None, "before", f"dense model: 100 %, {words}", named=True)


def _better(timed: bool) -> str:
    return "faster" if timed else "less work"


def _timed(points: Sequence[Point]) -> bool:
    return any(point.predicted is not None or point.measured is not None for point in points)


def _spans(values: Sequence[float]) -> bool:
    """Whether values need a logarithmic axis."""
    positive = [value for value in values if value > 0]
    return bool(positive) and max(positive) > _DECADE * min(positive)


def _axis(values: list[float], limit: float | None, chosen: float) -> Scale:
    """A linear axis that holds zero, and the limit; cut where harsh plans would squeeze what is near the limit."""
    held = values if limit is None else [*values, limit]
    needed = max(_ROOM * (limit or 0.0), _BEYOND * chosen)
    if limit is not None and max(values) > _BEYOND * needed > 0:
        held = [*(value for value in held if value <= needed), needed]
    return from_zero(held) if min(held) >= 0 else around(min(held), max(held))


def _limit(loss: Loss, scale: Scale) -> tuple[float, str] | None:
    """The line beyond which a plan loses too much, where the axis reaches it."""
    if loss.limit is None or not scale.low <= loss.limit <= scale.high:
        return None
    return loss.limit, f"allowed: {loss.amount(loss.limit)}"


def _beyond(values: Sequence[float], scale: Scale, loss: Loss) -> str:
    """Which plans the axis does not reach: labelled, never dropped in silence."""
    far = [value for value in values if value > scale.high]
    if not far:
        return ""
    return f"{wording.counted(len(far), 'model')} beyond the axis, up to {loss.amount(max(far))}."


def _untold(plans: int) -> str:
    if not plans:
        return ""
    return f"Without a measured loss: {wording.counted(plans, 'plan')}, in the drawing of what is expected."


def _unpredicted(plans: int) -> str:
    return f"Without a prediction: {wording.counted(plans, 'plan')}, left out here." if plans else ""


def _keys(marks: Sequence[_Mark], *, timed: bool) -> tuple[Key, ...]:
    plans = [mark for mark in marks if mark.tone == "after"]
    full = any(mark.measured is not None for mark in plans)
    hollow = any(mark.predicted is not None for mark in plans)
    return (
        *((Key("after", "plan, its time measured" if timed else "plan"),) if full else ()),
        *((Key("after", "plan, its time predicted", hollow=True),) if hollow else ()),
        Key("before", "dense model"),
        *((Key("weights", "other model"),) if any(mark.tone == "weights" for mark in marks) else ()),
    )


def _y(scale: Scale, value: float) -> float:
    return round(HEIGHT * (1 - scale.at(value) / 100), 1)

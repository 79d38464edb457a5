"""The score after each stage of making the model: a dot a stage, with its interval."""

from __future__ import annotations

from convprof.records.run import StageScore
from convprof.reporting import wording
from convprof.reporting.charts.marks import Chart, Dot, Key, Row, Stroke
from convprof.reporting.charts.scales import Scale, around
from convprof.reporting.scores import ORIGINAL, TITLE, Score, measure, scores

_HEIGHT, _RADIUS = 24, 5
_READING = "What each step of making the model left of its score."
_INTERVALS = " The line through a dot is its interval, the original's score on these inputs taken as it is."


def stages(found: tuple[StageScore, ...]) -> Chart | None:
    """A row for the original and each stage; None where fewer than two have a score."""
    known = [(each, each.value) for each in scores(found) if each.value is not None]
    if len(known) < 2:
        return None
    places = [place for each, value in known for place in (value, *(each.interval or ()))]
    scale = around(min(places), max(places))
    original = (Key("before", "original"),) if known[0][0].name == ORIGINAL else ()
    missing = len(found) + len(original) - len(known)
    intervals = any(each.interval for each, _ in known)
    return Chart(
        title=TITLE,
        reading=_READING + (_INTERVALS if intervals else ""),
        axis=measure(found),
        ticks=scale.ticks(wording.round_number),
        keys=(*original, Key("after", "after the stage")),
        rows=tuple(_row(each, value, scale) for each, value in known),
        row_height=_HEIGHT,
        note="" if missing == 0 else f"Not known for {wording.counted(missing, 'stage')}, left out here.",
    )


def _row(each: Score, value: float, scale: Scale) -> Row:
    middle = _HEIGHT / 2
    strokes: tuple[Stroke, ...] = ()
    if each.interval is not None:
        strokes = (Stroke(scale.at(each.interval[0]), middle, scale.at(each.interval[1]), middle, "quiet"),)
    dot = Dot(scale.at(value), middle, _RADIUS, "before" if each.name == ORIGINAL else "after")
    return Row(each.name, (), strokes, (dot,), each.words)

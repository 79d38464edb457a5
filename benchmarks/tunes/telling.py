"""What is written of a row, and the picture of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fits import curve
from fits.parts import Aim, Kept, Raw
from writing import Page

from tunes.rows import ROWS, Row

PICTURE = "tune.svg"
_DRAWN = ("resnet20/rank3", "resnet20/rank2", "resnet20/rank1")


def tell(row: Row, page: Page, data: Raw) -> list[Aim]:
    """How it was trained, and the curve."""
    record = data["record"]
    settings, way, stage = record["settings"], record["times"][0]["way"], record["stages"][-1]
    page.say(
        f"{', '.join(settings['recipe'])} from the {data['start']} start, {stage['samples']:,} inputs and "
        f"{stage['held_out']:,} held out, augmentation {', '.join(settings['augment']) or 'none'}, "
        f"{stage['steps']:,} steps of {stage['batch']} ({stage['epochs']:.1f} epochs) in {stage['minutes']:.1f} min, "
        f"threads: {settings['threads']}, {_worded(way)}, torch {record['torch']}, seed {settings['seed']}, peak rate "
        f"{stage['learning_rate']:.2g}, views that an answer is the mean of: {stage['views']}; "
        f"{stage['measure']} held out {stage['before']:.4g} to {stage['after']:.4g}."
    )
    page.say(f"Milliseconds a step, its update apart: {', '.join(map(_timed, record['times']))}.")
    points = [(0.0, data["before"]), *data["curve"]]
    page.table(("minutes", f"score ({data['unit']})"), [(f"{at:.1f}", f"{score:.2f}") for at, score in points])
    if row.aim is None:
        return []
    sign = f"{row.aim:+g}" if row.aim else ""
    return [Aim(f"{row.name}: dense{sign} ({data['unit']})", data["dense"] + row.aim, data["after"])]


def together(page: Page, kept: Kept) -> Sequence[Aim]:
    """One table of all rows."""
    page.say("## All rows")
    page.say(
        "The aims are for 60 minutes on two threads, so for 120 minutes of a core; the table says what each row was "
        "given. Scores are of test inputs that nothing was trained on; the change has its 95 % interval over them, "
        "paired. How pictures are moved, what the teacher is asked and how the learning rate is lowered was chosen "
        "by such scores of resnet20, in which wide had no part, the rate for dncnn and waifu2x by their errors on "
        "inputs held out (decisions 0033, 0035, 0036). What is in the way of more stands in 0036, and which rows "
        "were run before the teacher was asked as it is now. Random factors start without normalisations, which the "
        "original had when it was trained: that start is a weak one."
    )
    page.table(
        (
            "row",
            "plan",
            "of the MACs",
            "start",
            "dense",
            "before",
            "after",
            "change, 95 %",
            "minutes",
            "threads",
            "epochs",
        ),
        [_line(row, kept[row.name]["data"]) for row in ROWS if row.name in kept],
    )
    if any(name in kept for name in _DRAWN):
        page.say(f"![Score against minutes]({PICTURE})")
    return []


def picture(kept: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The curves of one network at several ranks; None where none was measured."""
    series, dense = {}, 0.0
    for name in _DRAWN:
        if name in kept:
            data = kept[name]["data"]
            dense = data["dense"]
            series[name.partition("/")[2]] = sorted({max(1, round(at)): score for at, score in data["curve"]}.items())
    return curve.draw(series, ("dense", dense), "minutes", "top-1 %") if series else None


def _timed(each: Raw) -> str:
    return f"{_worded(each['way'])} {1e3 * each['seconds']:.0f}"


def _worded(way: Raw) -> str:
    order = "channels last" if way["channels_last"] else "channels first"
    compiled = ", compiled" * way.get("compiled", False)
    return f"{'composed' if way['composed'] else 'chains'}, {way['precision']}, {order}{compiled}"


def _line(row: Row, data: Raw) -> tuple[object, ...]:
    stage = data["record"]["stages"][-1]
    low, high = data["interval"]
    return (
        row.name,
        data["plan"],
        f"{data['share']:.3f}",
        data["start"],
        f"{data['dense']:.2f}",
        f"{data['before']:.2f}",
        f"{data['after']:.2f}",
        f"{low:+.2f} to {high:+.2f}",
        f"{sum(each['minutes'] for each in data['record']['stages']):.1f}",
        str(data["record"]["settings"]["threads"]),
        f"{stage['epochs']:.1f}",
    )

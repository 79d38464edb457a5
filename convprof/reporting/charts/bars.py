"""Work and time by layer, before and after: a pair of bars a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convprof.reporting import wording
from convprof.reporting.charts.marks import Bar, Chart, Key, Row
from convprof.reporting.charts.scales import Scale, from_zero
from convprof.reporting.layers import Layer

_HEIGHT, _BAR, _GAP = 26, 8, 2
_READING = "Each layer has two bars, before above after; the layers that were kept are faint."
_KEYS = (Key("before", "before"), Key("after", "after"))


def macs(layers: tuple[Layer, ...]) -> Chart | None:
    """MACs of every counted layer; None where none is counted."""
    pairs = [(each, each.macs_before, each.macs_after) for each in layers]
    return _chart(
        pairs,
        "Work by layer",
        f"{_READING} Where the lower bar ends short of the upper one, work was saved.",
        "MACs of one inference",
        wording.quantity,
        wording.round_quantity,
    )


def latency(layers: tuple[Layer, ...]) -> Chart | None:
    """Time of every profiled layer; None where none was profiled."""
    pairs = [(each, each.latency_before_ms, each.latency_after_ms) for each in layers]
    return _chart(
        pairs,
        "Time by layer",
        f"{_READING} Profiling slows every layer a little: compare layers, not their sum with the times above.",
        "median time in ms",
        wording.significant,
        wording.round_number,
    )


def _chart(
    pairs: Sequence[tuple[Layer, float | None, float | None]],
    title: str,
    reading: str,
    axis: str,
    label: Callable[[float], str],
    tick: Callable[[float], str],
) -> Chart | None:
    known = [pair for pair in pairs if pair[1] is not None or pair[2] is not None]
    if not known:
        return None
    scale = from_zero([float(value) for _, *both in known for value in both if value is not None])
    missing = len(pairs) - len(known)
    return Chart(
        title=title,
        reading=reading,
        axis=axis,
        ticks=scale.ticks(tick),
        keys=_KEYS,
        rows=tuple(_row(layer, before, after, scale, label) for layer, before, after in known),
        row_height=_HEIGHT,
        note=wording.left_out(missing, "known"),
    )


def _row(layer: Layer, before: float | None, after: float | None, scale: Scale, label: Callable[[float], str]) -> Row:
    upper = (_HEIGHT - 2 * _BAR - _GAP) / 2
    lower = upper + _BAR + _GAP
    bars = (
        *(() if before is None else (Bar(0, upper, scale.at(before), _BAR, "before"),)),
        *(() if after is None else (Bar(0, lower, scale.at(after), _BAR, "after"),)),
    )
    shown = [wording.UNKNOWN if value is None else label(value) for value in (before, after)]
    value = shown[0] if before == after else f" {wording.ARROW} ".join(shown)
    return Row(layer.name, bars, (), (), value, muted=not layer.replaced)

"""Share of the model's work by conv: a bar a conv, in the model's order."""

from __future__ import annotations

from convprof.records.analysis import Analysis, ConvReport
from convprof.reporting import wording
from convprof.reporting.charts.marks import Bar, Chart, Key, Row
from convprof.reporting.charts.scales import Scale, from_zero

_HEIGHT, _BAR = 22, 12


def shares(analysis: Analysis) -> Chart | None:
    """The share of every counted conv; None where none was counted."""
    known = [(conv, conv.share) for conv in analysis.convs if conv.share is not None]
    if not known:
        return None
    scale = from_zero([share for _, share in known])
    return Chart(
        title="Share of the work by layer",
        reading="Where the work of one inference is, in the model's order. A conversion pays where a long bar can be "
        "replaced.",
        axis="share of the model's MACs",
        ticks=scale.ticks(lambda share: f"{wording.round_number(100 * share)} %"),
        keys=(Key("after", "can be replaced"), Key("before", "left alone")),
        rows=tuple(_row(conv, share, scale) for conv, share in known),
        row_height=_HEIGHT,
        note=wording.left_out(len(analysis.convs) - len(known), "known"),
    )


def _row(conv: ConvReport, share: float, scale: Scale) -> Row:
    bar = Bar(0, (_HEIGHT - _BAR) / 2, scale.at(share), _BAR, "after" if conv.eligible else "before")
    value = f"{wording.percent(share)}, {wording.quantity(conv.macs)}"
    return Row(conv.name, (bar,), (), (), value, muted=not conv.eligible)

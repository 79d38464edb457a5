"""What the tables of several sections share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fits.parts import Raw
from fits.subjects import Judged, Outcome


def row(judged: Judged, **named: object) -> Raw:
    """An outcome with what it is of, as JSON has it."""
    return {**named, "outcome": asdict(judged.outcome)}


def outcome(entry: Mapping[str, Any]) -> Outcome:
    """The outcome in such a row."""
    stored = entry["outcome"]
    low, high = stored["change"]
    return Outcome(**{**stored, "scores": tuple(stored["scores"]), "change": (low, high)})


def pick(entries: Sequence[Raw], **named: object) -> Outcome:
    """The outcome of the first row with these values."""
    return next(outcome(each) for each in entries if all(each[name] == value for name, value in named.items()))


SCORED = ("mean", "over seeds", "change, 95 %", "fit, CPU s", "of the MACs")


def scored(found: Outcome) -> tuple[str, ...]:
    """The columns SCORED."""
    return f"{found.mean:.2f}", spread(found), interval(found.change), f"{found.seconds:.1f}", f"{found.share:.3f}"


def spread(found: Outcome) -> str:
    """Smallest and largest score over the seeds."""
    return f"{min(found.scores):.2f} to {max(found.scores):.2f}" if len(found.scores) > 1 else "-"


def interval(bounds: Sequence[float]) -> str:
    """Of a difference."""
    return f"{bounds[0]:+.2f} to {bounds[1]:+.2f}"


def facts(found: Outcome, unit: str) -> str:
    """The sentence before a table."""
    return (
        f"Dense: {found.dense:.2f} ({unit}), {found.dense_macs:,} MACs. {found.layers} convolutions are replaced, "
        f"{found.inputs:,} unlabelled calibration inputs, n = {found.tests:,} test inputs. The change is that of the "
        "mean over the seeds from the dense network, paired over the test inputs."
    )

"""The converted model beside what one would do instead."""

from __future__ import annotations

from convprof.records.benchmark import Comparison
from convprof.records.fidelity import Fidelity
from convprof.records.run import Rival, Run
from convprof.reporting import wording
from convprof.reporting.document import Column, Table
from convprof.reporting.front import Reference
from convprof.reporting.outcome import metric_words, quality


def table(run: Run) -> Table:
    """Speed, quality and size of the original, the converted model and its rival; without rows where it has none."""
    found = run.rival
    return Table(
        "Beside the model in int8",
        (Column("model", "text"), Column("speed"), Column(_measure(run.fidelity)), Column("file")),
        () if found is None else _rows(run, found),
    )


def reference(found: Rival) -> Reference:
    """The rival as a point beside the plans."""
    low, high = found.against_original.interval
    return Reference(found.name, 1 / found.against_original.speedup, (1 / high, 1 / low), found.fidelity)


def _rows(run: Run, found: Rival) -> tuple[tuple[str, ...], ...]:
    metric = run.fidelity.metric if run.fidelity else None
    before = metric_words(metric).before if metric else wording.UNKNOWN
    return (
        ("as it is", wording.ratio(1.0), before, _size(found.bytes_original)),
        ("converted", _speed(run.judged()), _quality(run.fidelity), _size(found.bytes_converted)),
        (found.name, _speed(found.against_original), _quality(found.fidelity), _size(found.bytes)),
    )


def _measure(fidelity: Fidelity | None) -> str:
    """What the column of qualities holds."""
    if fidelity is not None and fidelity.metric is not None:
        return fidelity.metric.name
    return quality(fidelity).meaning


def _quality(fidelity: Fidelity | None) -> str:
    if fidelity is None:
        return wording.UNKNOWN
    return metric_words(fidelity.metric).after if fidelity.metric else quality(fidelity).value


def _speed(found: Comparison | None) -> str:
    if found is None:
        return wording.UNKNOWN
    low, high = found.interval
    words = f"{wording.ratio(found.speedup)} ({wording.ratio(low)} to {wording.ratio(high)})"
    return wording.amount(words, found.speedup)


def _size(stored: int) -> str:
    return wording.amount(f"{wording.quantity(stored)}B", stored)

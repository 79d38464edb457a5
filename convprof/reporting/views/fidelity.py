"""A fidelity as tables, and as one row an output and one for the metric."""

from __future__ import annotations

from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity
from convprof.reporting import wording
from convprof.reporting.document import Cell, Column, Document, Fact, Sheet, Table, filled
from convprof.reporting.outcome import metric_words
from convprof.reporting.views import gates as gates_view


def document(fidelity: Fidelity) -> Document:
    """How many inputs, the metric, the outputs."""
    return Document(
        title="Fidelity: converted against original",
        facts=(Fact("Inputs compared", wording.count(fidelity.samples)), Fact("Metric", metric_line(fidelity.metric))),
        tables=filled((gates_view.table(fidelity.gates), outputs(fidelity), samples(fidelity))),
        notes=wording.remarks(fidelity.notices),
    )


def sheet(fidelity: Fidelity) -> Sheet:
    """`kind` tells an output's row from the metric's."""
    columns = ("max_abs", "relative_l2", "sqnr_db", "top1_agreement", "finite")
    metric = fidelity.metric
    rows: list[tuple[Cell, ...]] = [
        ("output", each.name, fidelity.samples, *(getattr(each, column) for column in columns), *(None,) * 6)
        for each in fidelity.outputs
    ]
    if metric is not None:
        low, high = metric.interval or (None, None)
        changed = (metric.before, metric.after, metric.difference, low, high, metric.level)
        rows.append(("metric", metric.name, fidelity.samples, *(None,) * len(columns), *changed))
    changes = ("before", "after", "difference", "low", "high", "level")
    return Sheet(("kind", "name", "samples", *columns, *changes), tuple(rows))


def metric_line(metric: MetricChange | None) -> str:
    """The metric's change in one line."""
    if metric is None:
        return "none was given"
    words = metric_words(metric)
    change = f"{words.before} {wording.ARROW} {words.after}"
    return f"{metric.name} {change} ({words.difference}, {words.interval})"


def outputs(fidelity: Fidelity) -> Table:
    """One row an output."""
    return Table(
        "Outputs",
        (
            Column("output", "name"),
            Column("largest difference"),
            Column("relative error"),
            Column("signal to noise"),
            Column("top-1 agreement"),
            Column("finite", "text"),
        ),
        tuple(_output(each) for each in fidelity.outputs),
    )


def samples(fidelity: Fidelity) -> Table:
    """The samples whose outputs moved most, least and just between, counted from 0."""
    return Table(
        "Samples that moved most, least and just between",
        (
            Column("output", "name"),
            Column("place", "text"),
            Column("sample"),
            Column("rms difference"),
            Column("class changed"),
        ),
        tuple(
            (
                output.name,
                each.place,
                wording.count(each.sample),
                wording.significant(each.rms),
                wording.percent(each.changed, 2),
            )
            for output in fidelity.outputs
            for each in output.samples
        ),
    )


def _output(each: OutputFidelity) -> tuple[str, ...]:
    return (
        each.name,
        wording.significant(each.max_abs),
        wording.significant(each.relative_l2),
        wording.decibels(each.sqnr_db),
        wording.percent(each.top1_agreement),
        wording.yes_no(each.finite),
    )

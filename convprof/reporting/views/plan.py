"""A plan as tables, and as one row a conv."""

from __future__ import annotations

from convprof.records.plan import Plan
from convprof.reporting import wording
from convprof.reporting.document import Column, Document, Fact, Sheet, Table, filled
from convprof.reporting.escaping import visible


def document(plan: Plan) -> Document:
    """What is asked and expected, what is replaced, what stays dense and is refitted, what stays as it is and why."""
    return Document(
        title=f"Plan for {visible(plan.model.path)}",
        facts=facts(plan),
        tables=filled((_replaced(plan), _refitted(plan), _kept(plan))),
    )


def sheet(plan: Plan) -> Sheet:
    """One row a conv: the form in its place, or the reason why it stays."""
    return Sheet(
        ("name", "form", "rank", "emission", "reason_code", "reason_text"),
        (
            *((each.name, each.form, wording.rank(each.rank), each.emission, None, None) for each in plan.layers),
            *((each.name, None, None, None, each.reason.code, each.reason.text) for each in plan.kept),
        ),
    )


def facts(plan: Plan) -> tuple[Fact, ...]:
    """The budget and what the planner expected, without what it did not know."""
    expected = plan.predicted
    target = plan.budget.target_macs
    known = (
        ("MACs", None if expected.macs is None else wording.quantity(expected.macs)),
        ("parameters", None if expected.parameters is None else wording.quantity(expected.parameters)),
        ("latency", None if expected.latency_ms is None else wording.milliseconds(expected.latency_ms)),
        ("summed output error", None if expected.damage is None else wording.significant(expected.damage)),
    )
    expectation = ", ".join(f"{label} {value}" for label, value in known if value is not None)
    return (
        Fact("Decided", _decided(plan)),
        Fact("Budget", "none given" if target is None else f"{wording.percent(target)} of the dense model's MACs"),
        Fact("Expected", expectation or "nothing was predicted"),
    )


def _decided(plan: Plan) -> str:
    refitted = sum(each.stays_dense for each in plan.layers)
    parts = [f"{wording.counted(len(plan.layers) - refitted, 'conv')} replaced"]
    if refitted:
        parts.append(f"{refitted:,} {wording.REFITTED}")
    return ", ".join([*parts, f"{len(plan.kept):,} kept"])


def _replaced(plan: Plan) -> Table:
    return Table(
        "Replaced",
        (Column("name", "name"), Column("form", "text"), Column("rank"), Column("emission", "text")),
        tuple(
            (each.name, each.form, wording.rank(each.rank), each.emission)
            for each in plan.layers
            if not each.stays_dense
        ),
    )


def _refitted(plan: Plan) -> Table:
    return Table(
        wording.REFITTED.capitalize(),
        (Column("name", "name"), Column("form", "text")),
        tuple((each.name, each.form) for each in plan.layers if each.stays_dense),
    )


def _kept(plan: Plan) -> Table:
    return Table(
        "Kept",
        (Column("name", "name"), Column("code", "text"), Column("why", "text")),
        tuple((each.name, each.reason.code, each.reason.text) for each in plan.kept),
    )

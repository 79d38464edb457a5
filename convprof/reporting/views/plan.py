"""A plan as tables, and as one row a conv."""

from __future__ import annotations

from convprof.records.damage import Measure
from convprof.records.plan import Budget, Plan, Prediction
from convprof.reporting import wording
from convprof.reporting.document import Column, Document, Fact, Sheet, Table, filled
from convprof.reporting.escaping import visible
from convprof.reporting.expectation import amount, decided, gap, measured_share
from convprof.reporting.losses import DAMAGES, Loss


def document(plan: Plan) -> Document:
    """What is asked and expected, what is replaced, what stays dense and is refitted, what stays as it is and why."""
    return Document(
        title=f"Plan for {visible(plan.model.path)}",
        facts=facts(plan),
        tables=filled((_replaced(plan), _refitted(plan), kept(plan))),
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


def facts(
    plan: Plan,
    *,
    measure: Measure | None = None,
    loss: Loss | None = None,
    dense: tuple[int | None, int | None] = (None, None),
) -> tuple[Fact, ...]:
    """The budget, what the planner expected and what was measured, without what is not known.

    `measure` says what the damage is, `loss` in which unit a loss is, `dense` the model's MACs and parameters.
    """
    return (
        Fact("Decided", decided(plan)),
        Fact("Budget", budget(plan.budget, loss)),
        *((Fact("Expected", "nothing was predicted"),) if plan.predicted == Prediction() else ()),
        *_predicted_time(plan),
        *_measured_time(plan),
        *_costs(plan, *dense),
        *_damage(plan, measure),
    )


def budget(asked: Budget, loss: Loss | None = None) -> str:
    """What the plan was asked to meet, in words."""
    shares = (
        (asked.target_latency, "time"),
        (asked.target_macs, "MACs"),
        (asked.target_params, "parameters"),
    )
    parts = [f"{wording.percent(share)} of the dense model's {what}" for share, what in shares if share is not None]
    if asked.target_latency_ms is not None:
        parts.append(f"{wording.milliseconds(asked.target_latency_ms)} an inference")
    if asked.max_drop is not None:
        parts.append(_drop(asked.max_drop, loss))
    words = [f"at most {' and '.join(parts)}"] if parts else []
    if asked.min_sqnr is not None:
        words.append(f"every output at least {wording.significant(asked.min_sqnr)} dB above its error")
    return "; ".join(words) or "none given"


def kept(plan: Plan) -> Table:
    """The convs that stay, and why."""
    return Table(
        "Kept",
        (Column("name", "name"), Column("code", "text"), Column("why", "text")),
        tuple((each.name, each.reason.code, each.reason.text) for each in plan.kept),
    )


def _drop(largest: float, loss: Loss | None) -> str:
    if loss is None or loss.kind == "distance":
        unit = "points for shares, dB for psnr, else its own unit"
        return f"a loss of {wording.significant(largest)} of the metric ({unit})"
    return f"a {loss.words} of {loss.amount(largest)}"


def _predicted_time(plan: Plan) -> tuple[Fact, ...]:
    expected = plan.predicted
    words = [] if expected.latency is None else [f"{wording.percent(expected.latency)} of the dense model's"]
    if expected.latency_ms is not None:
        words.append(wording.milliseconds(expected.latency_ms))
    return (Fact("Time, predicted", ", ".join(words)),) if words else ()


def _measured_time(plan: Plan) -> tuple[Fact, ...]:
    """The time of the plan's own graph; nothing where it was not measured."""
    found = plan.measured
    if found is None:
        return ()
    times = f"{wording.milliseconds(found.latency_ms)} against {wording.milliseconds(found.dense_ms)}"
    how = f"{wording.counted(found.rounds, 'round')}, with placeholders for weights"
    return (Fact("Time, measured", f"{measured_share(found)} of the dense model's: {times} in {how}"),)


def _costs(plan: Plan, dense_macs: int | None, dense_parameters: int | None) -> tuple[Fact, ...]:
    expected = plan.predicted
    costs = (("MACs", expected.macs, dense_macs), ("Parameters", expected.parameters, dense_parameters))
    return tuple(Fact(label, amount(value, whole)) for label, value, whole in costs if value is not None)


def _damage(plan: Plan, measure: Measure | None) -> tuple[Fact, ...]:
    """The damage, and how near it is to the least possible; nothing where it is not known."""
    damage = plan.predicted.damage
    if damage is None:
        return ()
    words = f" ({DAMAGES[measure]})" if measure else ""
    found = Fact("Damage, predicted", f"{wording.significant(damage)}{words}")
    return (found, Fact("Optimality gap", gap(plan.predicted.gap))) if plan.layers else (found,)


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

"""What was decided and what to expect of it, worded once for every medium."""

from __future__ import annotations

from convprof.records.plan import Measured, Plan
from convprof.records.planning import Planning
from convprof.reporting import wording
from convprof.reporting.front import loss, points, share
from convprof.reporting.losses import DAMAGES
from convprof.reporting.outcome import Figure, less

_REASONS = frozenset({"nothing-faster", "none-good-enough"})
_LEVEL = 0.95


def lead(planning: Planning) -> str:
    """Whether to carry it out, and why."""
    return f"{judgement(planning)}: {because(planning)}."


def judgement(planning: Planning) -> str:
    """Whether to carry it out, in three words."""
    return "Worth carrying out" if _worth_it(planning) else "Nothing worth it"


def because(planning: Planning) -> str:
    """What the plan changes and what time that takes; or why it is not worth it."""
    if not _worth_it(planning):
        return _why_not(planning)
    plan = planning.plan
    replaced = sum(not each.stays_dense for each in plan.layers)
    convs = wording.counted(len(plan.layers) + len(plan.kept), "conv")
    return f"{replaced:,} of {convs} replaced, {_time(planning)}"


def decided(plan: Plan) -> str:
    """How many convs are replaced, refitted and kept."""
    refitted = sum(each.stays_dense for each in plan.layers)
    parts = [f"{wording.counted(len(plan.layers) - refitted, 'conv')} replaced"]
    if refitted:
        parts.append(f"{refitted:,} {wording.REFITTED}")
    return ", ".join([*parts, f"{len(plan.kept):,} kept"])


def measured_share(measured: Measured) -> str:
    """A measured share of the dense model's time with its interval."""
    low, high = (wording.percent(each) for each in measured.interval)
    return f"{wording.percent(measured.latency)} ({wording.interval(low, high, _LEVEL)})"


def origin(planning: Planning) -> str:
    """How the plan was found, and how its predicted time compares with the measured one, in a line."""
    return f"{way(planning)}; {_time(planning)}"


def way(planning: Planning) -> str:
    """How the plan was found."""
    if planning.rounds:
        good = sum(each.accepted for each in planning.rounds)
        return f"by a search of {wording.counted(len(planning.rounds), 'round')}, {good:,} of them good enough"
    return "without a search"


def figures(planning: Planning) -> tuple[Figure, ...]:
    """Time, damage, MACs and parameters of the plan."""
    expected = planning.plan.predicted
    return (
        _time_figure(planning.plan),
        _damage_figure(planning),
        _cost_figure("Work", "MACs", planning.dense_macs, expected.macs),
        _cost_figure("Size", "parameters", planning.dense_parameters, expected.parameters),
    )


def gap(value: float | None) -> str:
    """How near the choice is to the best one."""
    if value is None:
        return "not known"
    return (
        "none: no choice does less" if value <= 0 else f"no choice does less by more than {wording.percent(value, 2)}"
    )


def amount(value: int, whole: int | None) -> str:
    """MACs or parameters, with their share where the dense model's are known."""
    part = share(value, whole)
    return wording.quantity(value) + ("" if part is None else f" ({wording.percent(part)} of the dense model's)")


def _worth_it(planning: Planning) -> bool:
    return planning.worth_it and bool(planning.plan.layers)


def _why_not(planning: Planning) -> str:
    measured = planning.plan.measured
    reasons = [remark.text for remark in planning.notices if remark.code in _REASONS]
    if measured is not None and measured.interval[1] >= 1:
        reasons.append(f"the plan takes {measured_share(measured)} of the dense model's time, not measurably less")
    if not planning.plan.layers and not reasons:
        reasons.append("no conv is to be changed")
    return "; ".join(reasons) or "the plan was judged so, and no reason is recorded"


def _time(planning: Planning) -> str:
    """The plan's time, or where nobody looked at that its work."""
    expected, measured = planning.plan.predicted, planning.plan.measured
    if measured is not None:
        beside = "" if expected.latency is None else f", predicted {wording.percent(expected.latency)}"
        return f"measured {measured_share(measured)} of the dense model's time{beside}"
    if expected.latency is not None:
        return f"predicted {wording.percent(expected.latency)} of the dense model's time, not measured"
    work = share(expected.macs, planning.dense_macs)
    known = "" if work is None else f"{wording.percent(work)} of the dense model's MACs, "
    return f"{known}its time neither predicted nor measured"


def _time_figure(plan: Plan) -> Figure:
    expected, measured = plan.predicted, plan.measured
    if measured is not None:
        low, high = (wording.percent(each) for each in measured.interval)
        times = f"{wording.milliseconds(measured.dense_ms)} {wording.ARROW} {wording.milliseconds(measured.latency_ms)}"
        found = (wording.interval(low, high, _LEVEL), times, f"predicted {wording.percent(expected.latency)}")
        return Figure("Time", wording.percent(measured.latency), "of the dense model's, measured", found)
    if expected.latency is not None:
        details = ("not measured", f"predicted {wording.milliseconds(expected.latency_ms)}")
        return Figure("Time", wording.percent(expected.latency), "of the dense model's, predicted", details)
    return Figure("Time", wording.UNKNOWN, "neither predicted nor measured", ())


def _damage_figure(planning: Planning) -> Figure:
    """The measured loss of the chosen plan, or else its predicted damage."""
    expected = planning.plan.predicted
    words = f"predicted damage {wording.significant(expected.damage)}: {DAMAGES[planning.measure]}"
    told = loss(planning)
    for point in points(planning):
        value = told.of(point.fidelity) if told is not None and point.chosen else None
        if told is not None and value is not None:
            return Figure("Quality", told.amount(value), f"{told.words}, measured", (words,))
    if expected.damage is None:
        return Figure("Quality", wording.UNKNOWN, "neither predicted nor measured", ())
    details = (DAMAGES[planning.measure], *((gap(expected.gap),) if planning.plan.layers else ()))
    return Figure("Quality", wording.significant(expected.damage), "predicted damage", details)


def _cost_figure(subject: str, unit: str, before: int | None, after: int | None) -> Figure:
    if after is None:
        return Figure(subject, wording.UNKNOWN, f"{unit}, not predicted", ())
    return Figure(subject, wording.quantity(after), unit, ()) if before is None else less(subject, unit, before, after)

"""A planning as a document: the decision, its layers, and what it was chosen from; and as one row a conv."""

from __future__ import annotations

from convprof.records.convs import Rank
from convprof.records.fidelity import Fidelity
from convprof.records.plan import Emission, Measured, PlannedLayer
from convprof.records.planning import Planning, Round
from convprof.records.prices import LatencyTable, ProbePrice
from convprof.reporting import wording
from convprof.reporting.document import Column, Document, Fact, Sheet, Table, filled, folded
from convprof.reporting.escaping import visible
from convprof.reporting.expectation import lead, way
from convprof.reporting.front import Point, loss, points
from convprof.reporting.losses import DAMAGES, Loss
from convprof.reporting.views import plan as plan_view

Key = tuple[str, str, Rank, Emission]


def document(planning: Planning) -> Document:
    """The decision and what to expect; layers, search, front and the check of the prices."""
    return Document(
        title=f"Plan for {visible(planning.plan.model.path)}",
        lead=lead(planning),
        facts=(*facts(planning), Fact("Reproduce", planning.command, verbatim=True)),
        tables=filled(
            (
                layers(planning),
                folded(plan_view.kept(planning.plan)),
                rounds(planning),
                front(planning),
                checks(planning.prices),
            )
        ),
        notes=(*conventions(planning), *cautions(planning)),
    )


def sheet(planning: Planning) -> Sheet:
    """One row a conv: the form in its place with its own price before and after, or the reason why it stays."""
    prices = _Prices(planning.prices)
    columns = ("name", "form", "rank", "emission", "before_ms", "after_ms", "reason_code", "reason_text")
    return Sheet(
        columns,
        (
            *(
                (
                    each.name,
                    each.form,
                    wording.rank(each.rank),
                    each.emission,
                    prices.before(each.name),
                    prices.after(each),
                    None,
                    None,
                )
                for each in planning.plan.layers
            ),
            *(
                (each.name, None, None, None, prices.before(each.name), None, each.reason.code, each.reason.text)
                for each in planning.plan.kept
            ),
        ),
    )


def facts(planning: Planning, fidelity: Fidelity | None = None) -> tuple[Fact, ...]:
    """What was asked, expected and found, and how; `fidelity` is that of the chosen plan's model."""
    return (
        *plan_view.facts(
            planning.plan,
            measure=planning.measure,
            loss=loss(planning, fidelity),
            dense=(planning.dense_macs, planning.dense_parameters),
        ),
        Fact("Found", way(planning)),
    )


def layers(planning: Planning) -> Table:
    """The convs that change, each with its own price before and after where it was priced."""
    prices = _Prices(planning.prices)
    priced = (Column("own time"), Column("after"), Column("share"))
    return Table(
        "Layers that change",
        (
            Column("name", "name"),
            Column("becomes", "text"),
            Column("rank"),
            Column("emission", "text"),
            *(priced if planning.prices else ()),
        ),
        tuple((*_becomes(each), *(prices.words(each) if planning.prices else ())) for each in planning.plan.layers),
    )


def rounds(planning: Planning, fidelity: Fidelity | None = None) -> Table:
    """The tries of the search, in their order."""
    told = loss(planning, fidelity)
    return Table(
        "Rounds of the search",
        (
            Column("round", "text"),
            Column("time, predicted"),
            Column("damage, predicted"),
            Column(_limited(planning, told)),
            Column("good enough", "text"),
        ),
        tuple(
            (
                f"{number}",
                wording.percent(each.latency),
                wording.significant(each.damage),
                _found(planning, told, each),
                wording.yes_no(each.accepted),
            )
            for number, each in enumerate(planning.rounds, 1)
        ),
    )


def front(planning: Planning, fidelity: Fidelity | None = None) -> Table:
    """All plans from gentle to harsh, and which one was chosen."""
    told = loss(planning, fidelity)
    found = points(planning, fidelity)
    timed = any(point.measured for point in found)
    return Table(
        "The plan among others, from gentle to harsh",
        (
            Column("plan", "text"),
            Column("convs"),
            Column("time, predicted"),
            *((Column("measured (95 %)"),) if timed else ()),
            Column("MACs"),
            Column("parameters"),
            Column("damage, predicted"),
            *((Column(told.words),) if told else ()),
        ),
        tuple(_row(point, told, timed=timed) for point in found),
    )


def checks(prices: LatencyTable | None) -> Table:
    """Every model that was profiled for the prices: its parts, overhead included, against its time end to end.

    They are dozens: a medium that cannot fold them has `checked`.
    """
    return Table(
        "Check of the prices: parts of whole models against their time end to end",
        (
            Column("model", "name"),
            Column("nodes"),
            Column("convs"),
            Column("rest"),
            Column("unmapped"),
            Column("overhead"),
            Column("end to end"),
            Column("parts against it"),
        ),
        tuple(_check(each, prices.node_overhead) for each in prices.probes) if prices else (),
        folded=True,
        aside=True,
    )


def priced_on(prices: LatencyTable | None) -> str:
    """Where the prices come from, and what a node costs; '' where nothing was priced."""
    if prices is None:
        return ""
    overhead = f"{wording.significant(1000 * prices.node_overhead, 2)} \N{MICRO SIGN}s"
    return (
        f"Own times are of a conv's nodes in place, fused neighbours included, in {prices.precision} on "
        f"{visible(prices.environment.cpu)} with {wording.counted(prices.environment.threads, 'thread')}; what a node "
        f"takes beyond its profiled kernel, {overhead}, is in each."
    )


def checked(prices: LatencyTable | None) -> str:
    """How far the parts of whole models are from their times end to end; '' where nothing was priced."""
    found = [_apart(each, prices.node_overhead) for each in prices.probes] if prices else []
    known = [each for each in found if each is not None]
    if not known:
        return ""
    low, high = (_signed(each) for each in (min(known), max(known)))
    first = "" if found[0] is None else f", {_signed(found[0])} for the dense model"
    return (
        f"Prices were checked on {wording.counted(len(known), 'whole model')}: the sum of the parts differs from the "
        f"time end to end by {low} to {high}{first}."
    )


def conventions(planning: Planning) -> tuple[str, ...]:
    """What the numbers mean."""
    damage = f"Predicted damage is the {DAMAGES[planning.measure]}."
    return tuple(each for each in (damage, priced_on(planning.prices), checked(planning.prices)) if each)


def cautions(planning: Planning) -> tuple[str, ...]:
    """Notices of the plan and cautions of the prices, each once."""
    prices = planning.prices
    return wording.remarks(planning.notices, prices.cautions if prices else ())


class _Prices:
    """Own times of convs and candidates by their names, in ms; None for what was not priced."""

    def __init__(self, table: LatencyTable | None) -> None:
        self._convs: dict[str, float] = {}
        self._candidates: dict[Key, float] = {}
        if table is not None:
            self._convs = {each.name: each.time.ms for each in table.layers}
            self._candidates = {
                (each.name, each.form, each.rank, each.emission): each.time.ms for each in table.candidates
            }

    def before(self, name: str) -> float | None:
        return self._convs.get(name)

    def after(self, layer: PlannedLayer) -> float | None:
        if layer.stays_dense:
            return self.before(layer.name)
        return self._candidates.get((layer.name, layer.form, layer.rank, layer.emission))

    def words(self, layer: PlannedLayer) -> tuple[str, str, str]:
        before, after = self.before(layer.name), self.after(layer)
        part = after / before if before and after is not None else None
        return wording.milliseconds(before), wording.milliseconds(after), wording.percent(part)


def _becomes(layer: PlannedLayer) -> tuple[str, str, str, str]:
    if layer.stays_dense:
        return layer.name, wording.REFITTED, wording.UNKNOWN, wording.UNKNOWN
    return layer.name, layer.form, wording.rank(layer.rank), layer.emission


def _limited(planning: Planning, told: Loss | None) -> str:
    """What the search looked at."""
    budget = planning.plan.budget
    if budget.min_sqnr is not None:
        return "worst output above its error" if budget.max_drop is None else "loss, or dB above the error"
    return told.words if told is not None else "loss"


def _found(planning: Planning, told: Loss | None, each: Round) -> str:
    budget = planning.plan.budget
    if budget.min_sqnr is not None:
        return f"{wording.significant(each.loss)}{' dB' if budget.max_drop is None else ''}"
    return told.amount(each.loss) if told is not None else wording.significant(each.loss)


def _row(point: Point, told: Loss | None, *, timed: bool) -> tuple[str, ...]:
    expected = point.plan.predicted
    named = f"{point.label} (chosen)" if point.chosen and point.label.isdigit() else point.label
    return (
        named,
        wording.count(sum(not layer.stays_dense for layer in point.plan.layers)),
        wording.percent(point.predicted),
        *((_measured(point.measured),) if timed else ()),
        _cost(expected.macs, point.macs_share),
        _cost(expected.parameters, point.parameters_share),
        wording.significant(point.damage),
        *((told.amount(told.of(point.fidelity)),) if told else ()),
    )


def _measured(found: Measured | None) -> str:
    if found is None:
        return wording.UNKNOWN
    low, high = (wording.percent(each) for each in found.interval)
    return wording.amount(f"{wording.percent(found.latency)} ({low} to {high})", found.latency)


def _cost(value: int | None, part: float | None) -> str:
    return wording.quantity(value) if part is None else wording.percent(part)


def _check(each: ProbePrice, overhead: float) -> tuple[str, ...]:
    apart = _apart(each, overhead)
    return (
        each.label,
        wording.count(each.nodes),
        wording.milliseconds(each.layers),
        wording.milliseconds(each.rest),
        wording.milliseconds(each.unmapped),
        wording.milliseconds(each.nodes * overhead),
        wording.milliseconds(each.end_to_end.ms),
        wording.UNKNOWN if apart is None else _signed(apart),
    )


def _apart(each: ProbePrice, overhead: float) -> float | None:
    """By what share the parts of a model are more than its time end to end; None where no part was told."""
    whole, parts = each.end_to_end.ms, each.layers + each.rest + each.unmapped + each.nodes * overhead
    return parts / whole - 1 if each.layers and whole else None


def _signed(share: float) -> str:
    return wording.amount(f"{wording.plus(100 * share, 1)} %", share)

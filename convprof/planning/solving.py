"""The least damage within a budget, over all forms and ranks at once; and a row of such plans from gentle to harsh."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import numpy as np

from convprof.errors import PlanError
from convprof.latency import dense_ms, predicted_ms
from convprof.planning.knapsack import Knapsack, least_damage
from convprof.planning.offers import Offer, Offers
from convprof.planning.plans import decided, left_out
from convprof.planning.refitting import refitted
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.convs import Rank
from convprof.records.plan import Budget, Plan, PlannedLayer
from convprof.records.prices import LatencyTable

Damages = Mapping[tuple[str, str, Rank], float]
"""The damage of a candidate by its layer, form and rank."""

_GENTLEST, _HARSHEST = 0.95, 0.01


@dataclass(frozen=True)
class Choice:
    """All that plans for one model are chosen from.

    These are the `convs` that may be converted, what is offered for them, at what damage, and the prices, without
    which no budget in time can be met. `behind` tells which convs see what others make: those that a plan keeps are
    refitted there.
    """

    analysis: Analysis
    convs: Sequence[ConvReport]
    offers: Offers
    damages: Damages
    prices: LatencyTable | None
    behind: Callable[[Collection[str]], Collection[str]]


def solve(choice: Choice, budget: Budget) -> Plan:
    """The choice with the least summed damage that meets the budget's targets.

    Raises PlanError where no choice meets them.
    """
    limits = _limits(choice.analysis, choice.prices, budget)
    options = _options(choice)
    found = least_damage(_knapsack(choice, options, limits))
    if found is None:
        raise _unreachable(options, limits)
    chosen = [options[column] for column in found.taken]
    return _decided(
        choice,
        [PlannedLayer(each.name, each.form, each.rank, each.emission) for each in chosen],
        budget,
        sum(choice.damages[each.name, each.form, each.rank] for each in chosen),
        found.gap,
    )


def require_reachable(choice: Choice, budget: Budget) -> None:
    """Refuse a budget that the cheapest candidates do not meet, before their damage is known; raises PlanError."""
    limits = _limits(choice.analysis, choice.prices, budget)
    if any(_least(_options(choice), limit) > limit.target for limit in limits):
        raise _unreachable(_options(choice), limits)


def sweep(choice: Choice, budget: Budget, count: int) -> tuple[Plan, ...]:
    """At most `count` plans that meet `budget`, from gentle to harsh: evenly spaced in the logarithm of their time.

    Without prices MACs stand in for time. Empty where nothing would be gained.
    """
    field = "target_latency" if choice.prices else "target_macs"
    (limit,) = _limits(choice.analysis, choice.prices, Budget(**{field: 1.0}))
    harshest = max(_least(_options(choice), limit) / limit.total, _HARSHEST)
    found: dict[tuple[PlannedLayer, ...], Plan] = {}
    for share in np.geomspace(max(_GENTLEST, harshest), harshest, count):
        plan = solve(choice, _with(budget, field, float(share) * (1 + 1e-9)))
        if plan.layers:
            found.setdefault(plan.layers, plan)
    return tuple(found.values())


def repriced(choice: Choice, plan: Plan) -> Plan:
    """The same layers, as somebody has edited them, with what is to be expected of them now.

    Time and damage are None where a layer is not among the candidates. The layers must fit the model.
    """
    replaced = [layer for layer in plan.layers if not layer.stays_dense]
    damages = [choice.damages.get((each.name, each.form, each.rank), math.nan) for each in replaced]
    return _decided(choice, replaced, plan.budget, sum(damages), None)


@dataclass(frozen=True)
class _Limit:
    """One target: what it is called, the dense model's `total`, the largest value allowed, and an option's change."""

    option: str
    words: str
    total: float
    target: float
    field: str


def _limits(analysis: Analysis, prices: LatencyTable | None, budget: Budget) -> tuple[_Limit, ...]:
    totals = analysis.totals
    found: list[_Limit] = []
    dense = dense_ms(prices) if prices else 0.0
    if budget.target_latency_ms is not None:
        option = f"--target-latency {budget.target_latency_ms:g}ms"
        found.append(_Limit(option, "time", dense, budget.target_latency_ms, "milliseconds"))
    for share, option, words, total, field in (
        (budget.target_latency, "--target-latency", "time", dense, "milliseconds"),
        (budget.target_macs, "--target-macs", "MACs", totals.macs, "macs"),
        (budget.target_params, "--target-params", "parameters", totals.parameters, "parameters"),
    ):
        if share is not None:
            found.append(_Limit(f"{option} {share:g}", words, total, share * total, field))
    if prices is None and any(limit.field == "milliseconds" for limit in found):
        raise PlanError(found[0].option, "nothing is known of the time of candidates", "price them first")
    return tuple(found)


def _options(choice: Choice) -> list[Offer]:
    return [offer for conv in choice.convs for offer in choice.offers.by_layer.get(conv.name, ())]


def _changes(options: Sequence[Offer], limit: _Limit) -> list[float]:
    return [float(getattr(offer, limit.field)) for offer in options]


def _knapsack(choice: Choice, options: Sequence[Offer], limits: Sequence[_Limit]) -> Knapsack:
    numbers = {conv.name: number for number, conv in enumerate(choice.convs)}
    return Knapsack(
        layers=np.array([numbers[offer.name] for offer in options], np.int64),
        damages=np.array([choice.damages[offer.name, offer.form, offer.rank] for offer in options], np.float64),
        changes=np.array([_changes(options, limit) for limit in limits]).reshape(len(limits), len(options)),
        limits=np.array([limit.target - limit.total for limit in limits]),
    )


def _least(options: Sequence[Offer], limit: _Limit) -> float:
    """The least that any choice comes to."""
    best: dict[str, float] = {}
    for offer, change in zip(options, _changes(options, limit), strict=True):
        best[offer.name] = min(best.get(offer.name, 0.0), change)
    return limit.total + sum(best.values())


def _unreachable(options: Sequence[Offer], limits: Sequence[_Limit]) -> PlanError:
    """Which target is out of reach, or that all of them together are."""
    for limit in limits:
        least = _least(options, limit)
        if least > limit.target:
            share = least / max(limit.total, 1e-12)
            return PlanError(
                limit.option,
                f"the cheapest choice still takes {share:.3f} of the model's {limit.words}",
                "allow a larger share, or more layers or forms",
            )
    return PlanError(
        " ".join(limit.option for limit in limits), "no choice meets all of them", "allow a larger share of one"
    )


def _decided(
    choice: Choice,
    layers: Sequence[PlannedLayer],
    budget: Budget,
    damage: float,
    gap: float | None,
) -> Plan:
    """The record; a damage that is not a number is not known, nor the time of a layer without a price."""
    latency_ms = latency = None
    if choice.prices is not None:
        with suppress(KeyError):
            latency_ms = predicted_ms(choice.prices, layers)
            latency = latency_ms / dense_ms(choice.prices)
    plan = decided(
        choice.analysis,
        layers,
        budget,
        {**left_out(choice.analysis, choice.convs), **choice.offers.refused},
        latency_ms=latency_ms,
        latency=latency,
        damage=None if math.isnan(damage) else damage,
        gap=gap,
    )
    return refitted(plan, choice.analysis, choice.convs, choice.behind({layer.name for layer in layers}))


def _with(budget: Budget, field: str, share: float) -> Budget:
    """The budget with one share lowered to `share`."""
    asked = getattr(budget, field)
    return msgspec.structs.replace(budget, **{field: share if asked is None else min(asked, share)})

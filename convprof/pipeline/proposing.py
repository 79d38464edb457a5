"""From a job and a budget to a plan: prices and damages, kept from run to run, and a measurement that decides."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from convprof import benchmarking, planning, pricing, rewriting, sensitivity
from convprof._version import __version__
from convprof.errors import DataError, PlanError
from convprof.files import read_record, write_text
from convprof.latency import dense_ms
from convprof.pipeline.job import Job
from convprof.planning import Choice, Offers
from convprof.records.damage import Damage, KeptDamage
from convprof.records.files import encode
from convprof.records.plan import Budget, Measured, Plan
from convprof.records.prices import LatencyTable
from convprof.records.remarks import Remark
from convprof.runtime import environment
from convprof.stats.damages import predicted

_LATENCY, _DAMAGE = "latency.json", "damage.json"
_ROUNDS = 60


def asks_for_time(budget: Budget) -> bool:
    """Whether candidates must be priced: only a budget of nothing but MACs and parameters does without."""
    cost = (budget.target_macs, budget.target_params)
    time = (budget.target_latency, budget.target_latency_ms, budget.max_drop, budget.min_sqnr)
    return any(each is not None for each in time) or all(each is None for each in cost)


def choices(job: Job, forms: Collection[str], budget: Budget, table: str | Path | None) -> tuple[Choice, Damage]:
    """All that plans are chosen from, be it nothing.

    Raises PlanError for a budget that is out of reach of what is offered, before the damage is found out.
    """
    prices = _prices(job, forms, table) if asks_for_time(budget) else None
    offers = planning.offered(job.convs, forms, prices)
    found = Choice(job.before, job.convs, offers, {}, prices, job.behind)
    if any(offers.by_layer.values()):
        planning.require_reachable(found, budget)
    damage = _damage(job, offers)
    damages = {
        (each.name, each.form, each.rank): expected
        for each, expected in zip(damage.candidates, predicted(damage), strict=True)
    }
    return replace(found, damages=damages), damage


def accepted(job: Job, choice: Choice, budget: Budget) -> tuple[Plan, tuple[Remark, ...]]:
    """The plan within `budget` as measured: solved again, once, where the whole is slower than the sum of its parts.

    What was measured stands in the plan; prices of another machine are taken as they are.
    """
    plan = planning.solve(choice, budget)
    if not measurable(job, choice, plan):
        return plan, ()
    plan = measured(job, plan)
    target = _target(choice, budget)
    if target is None or not _misses(plan, target):
        return plan, ()
    expected, found = plan.predicted.latency, plan.measured
    if expected is None or found is None:
        return plan, ()
    stricter = msgspec.structs.replace(budget, target_latency=target * expected / found.latency, target_latency_ms=None)
    text = f"the plan took {found.latency:.3f} of the time where {expected:.3f} was expected"
    try:
        again = measured(job, msgspec.structs.replace(planning.solve(choice, stricter), budget=budget))
    except PlanError:
        return plan, (Remark("target-missed", f"{text}, and no plan is expected to be so much faster"),)
    if _misses(again, target):
        return again, (Remark("target-missed", f"{text}; the plan that was made for it misses the target too"),)
    return again, (Remark("planned-again", f"{text}, so it was planned again for less"),)


def measured(job: Job, plan: Plan) -> Plan:
    """The plan with the time that its graph takes, weights apart, interleaved with the model as it is."""
    feeds = job.feeds()
    with TemporaryDirectory(prefix="stand-in-", dir=job.folder) as folder:
        path = pricing.stand_in(job.opened, plan.layers, Path(folder))
        found = benchmarking.measure(
            [(job.path, job.opened.file.sha256), (path, "")],
            [feeds, feeds],
            options=job.options,
            iterations=_ROUNDS,
            seed=job.seed,
            timer=job.timer,
            progress=job.progress,
        )
    dense, light = found.models
    (comparison,) = found.comparisons
    low, high = comparison.interval
    return msgspec.structs.replace(
        plan,
        measured=Measured(
            latency_ms=light.median_ms,
            dense_ms=dense.median_ms,
            latency=1 / comparison.speedup,
            interval=(1 / high, 1 / low),
            rounds=_ROUNDS,
        ),
    )


def measurable(job: Job, choice: Choice, plan: Plan) -> bool:
    """Whether the prices are of this machine, so that a measurement here can confirm them."""
    here = environment(job.options)
    return bool(plan.layers) and choice.prices is not None and choice.prices.environment == here


def _target(choice: Choice, budget: Budget) -> float | None:
    """The share of the dense model's time that was asked for."""
    if budget.target_latency_ms is not None and choice.prices is not None:
        return budget.target_latency_ms / dense_ms(choice.prices)
    return budget.target_latency


def _misses(plan: Plan, target: float) -> bool:
    """Whether the measured time is beyond the target, noise set aside."""
    return plan.measured is not None and plan.measured.interval[0] > target


def _prices(job: Job, forms: Collection[str], table: str | Path | None) -> LatencyTable:
    """The user's table; else the one kept in the folder if it fits; else new prices, which are kept there."""
    if table is not None:
        return pricing.read(Path(table), job.opened)
    place = job.final / _LATENCY
    with suppress(DataError):
        if place.exists():
            kept = pricing.read(place, job.opened)
            if pricing.fits(kept, job.opened, job.convs, forms, job.options):
                return kept
    found = pricing.price(
        job.opened,
        job.before,
        job.convs,
        forms,
        job.feeds(),
        options=job.options,
        seed=job.seed,
        timer=job.timer,
        folder=job.folder,
        progress=job.progress,
    )
    write_text(place, encode(found))
    return found


def _damage(job: Job, offers: Offers) -> Damage:
    """The damages kept in the folder if they are of the same model and data and of all that is offered; else new."""
    kept = _kept_damage(job)
    if kept is not None:
        known = {(each.name, each.form, each.rank) for each in kept.candidates}
        if all((name, *each) in known for name, every in offers.candidates().items() for each in every):
            return kept
    folded = rewriting.fold(job.opened, {conv.name for conv in job.convs})
    with job.store() as store:
        found = sensitivity.survey(
            folded,
            offers.candidates(),
            job.batches,
            options=job.options,
            seed=job.seed,
            store=store,
            known=kept.sensitivities if kept is not None else (),
            progress=job.progress,
        )
    write_text(job.final / _DAMAGE, encode(_damage_record(job, found)))
    return found


def _damage_record(job: Job, found: Damage) -> KeptDamage:
    """The damage with all that it depends on."""
    data = job.batches.fingerprint if job.batches is not None else "weights"
    model = job.opened
    return KeptDamage("convprof.damage/1", __version__, model.file.sha256, model.inputs, data, job.seed, found)


def _kept_damage(job: Job) -> Damage | None:
    """What is kept in the folder, if it is of the same model, data and seed; it need not hold all that is offered."""
    place = job.final / _DAMAGE
    with suppress(DataError):
        if place.exists():
            kept = read_record(place, KeptDamage)
            if kept == _damage_record(job, kept.damage):
                return kept.damage
    return None

"""The plan for a budget.

By prices and a measurement where it names a time or a cost, by a search where it names a loss; and a row of plans
beside it where one is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from convprof import fitting, planning, rewriting
from convprof._version import __version__
from convprof.fitting import KeptLayers
from convprof.pipeline.job import Conversion, Job, convert, tried
from convprof.pipeline.proposing import accepted, measurable, measured
from convprof.pipeline.searching import search
from convprof.planning import Choice
from convprof.records.damage import Measure
from convprof.records.plan import Budget, Plan
from convprof.records.planning import FrontPoint, Planning, Round
from convprof.records.remarks import Remark

NO_BUDGET = Budget()
_SWEEP = 8
_USUAL_MACS = 0.5
_NO_FASTER = Remark("nothing-faster", "no conv has a candidate that is measurably faster than itself: nothing to gain")
_NONE_GOOD = Remark("none-good-enough", "even the gentlest plan loses more than was allowed; it is the one kept")


@dataclass(frozen=True)
class Decision:
    """The plan, its conversion where the search has carried it out already, and how it was found."""

    plan: Plan
    conversion: Conversion | None = None
    rounds: tuple[Round, ...] = ()
    front: tuple[FrontPoint, ...] = ()
    remarks: tuple[Remark, ...] = ()


def usual(job: Job, budget: Budget) -> Budget:
    """The budget; half of the MACs where none is given and there is nothing to judge a loss on."""
    return Budget(target_macs=_USUAL_MACS) if budget == NO_BUDGET and job.judged is None else budget


def decide(job: Job, choice: Choice, budget: Budget) -> Decision:
    """The plan for the budget; without one the fastest whose loss the verdict allows."""
    if not any(choice.offers.by_layer.values()):
        return Decision(planning.solve(choice, NO_BUDGET), remarks=(_NO_FASTER,))
    if not _searches(budget):
        plan, remarks = accepted(job, choice, budget)
        return Decision(plan, remarks=remarks)
    found = search(job, choice, budget)
    if found.best is None:
        return Decision(planning.solve(choice, NO_BUDGET), remarks=(_NO_FASTER,))
    plan = msgspec.structs.replace(found.best.plan, budget=found.budget)
    if measurable(job, choice, plan):
        plan = measured(job, plan)
    remarks = () if found.good else (_NONE_GOOD,)
    return Decision(plan, replace(found.best, plan=plan), found.rounds, found.front, remarks)


def resumed(job: Job, choice: Choice, budget: Budget) -> Decision | None:
    """The plan of a fit that was cut short, if it was made for this model and budget: it was measured then."""
    key = fitting.left_behind(job.final)
    if key is None or (key.model, key.budget) != (job.opened.file.sha256, budget):
        return None
    plan = Plan("convprof.plan/1", job.before.model, key.layers, budget=budget)
    return Decision(planning.repriced(choice, plan))


def carried_out(job: Job, decision: Decision, path: Path, kept: KeptLayers) -> Conversion:
    """The decision's model, written to `path`; what the search has fitted and compared is not done again."""
    found = decision.conversion
    if found is None:
        return convert(job, decision.plan, path, kept)
    prepared = rewriting.prepare(job.opened, found.plan)
    return replace(found, written=rewriting.rewrite(prepared, found.plan, found.fitted, path))


def with_front(job: Job, choice: Choice, decision: Decision, measure: bool) -> Decision:
    """The decision with some eight plans from gentle to harsh; with `measure` each is timed, fitted and compared."""
    costs = msgspec.structs.replace(
        decision.plan.budget, target_latency=None, target_latency_ms=None, max_drop=None, min_sqnr=None
    )
    points = [FrontPoint(plan) for plan in planning.sweep(choice, costs, _SWEEP)]
    if measure:
        points = [_measured(job, choice, point.plan) for point in points]
    known = {point.plan.layers: point for point in decision.front if point.fidelity is not None}
    return replace(decision, front=tuple(known.get(point.plan.layers, point) for point in points))


def planning_record(decision: Decision, choice: Choice, measure: Measure, command: str) -> Planning:
    """How the plan was found, for the reports."""
    return Planning(
        schema="convprof.planning/1",
        convprof=__version__,
        command=command,
        plan=decision.plan,
        worth_it=_worth_it(decision),
        measure=measure,
        front=decision.front,
        rounds=decision.rounds,
        prices=choice.prices,
        notices=decision.remarks,
        dense_macs=choice.analysis.totals.macs,
        dense_parameters=choice.analysis.totals.parameters,
    )


def _worth_it(decision: Decision) -> bool:
    measured = decision.plan.measured
    faster = measured is None or measured.interval[1] < 1
    return bool(decision.plan.layers) and faster and _NONE_GOOD not in decision.remarks


def _searches(budget: Budget) -> bool:
    """Whether plans must be tried: a loss is named, or nothing at all."""
    return budget.max_drop is not None or budget.min_sqnr is not None or budget == NO_BUDGET


def _measured(job: Job, choice: Choice, plan: Plan) -> FrontPoint:
    """The plan fitted, compared with the original and, where the prices are of this machine, timed."""
    timed = measured(job, plan) if measurable(job, choice, plan) else plan
    return FrontPoint(timed, tried(job, plan).fidelity)

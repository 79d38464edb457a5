"""The fastest plan that is still good.

Each try is fitted and compared with the original; the next one halves what is left between the harshest plan that was
good and the gentlest that was not.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from convprof import judgement, planning
from convprof.errors import PlanError
from convprof.pipeline.job import Conversion, Job, tried
from convprof.planning import Choice
from convprof.records.fidelity import Fidelity
from convprof.records.plan import Budget, Plan
from convprof.records.planning import FrontPoint, Round

_STEPS = 16


@dataclass(frozen=True)
class Search:
    """The best try (None where nothing could be tried), the budget that decided, all tries and where they lie."""

    best: Conversion | None
    good: bool
    budget: Budget
    rounds: tuple[Round, ...]
    front: tuple[FrontPoint, ...]


def search(job: Job, choice: Choice, budget: Budget) -> Search:
    """The harshest plan whose loss stays within `budget`; without one the gentlest that was tried.

    A budget without max_drop or min_sqnr takes the loss that the verdict allows.
    """
    plans = planning.sweep(choice, budget, _STEPS)
    good, bad = -1, len(plans)
    tries: dict[int, Conversion] = {}
    rounds: list[Round] = []
    while bad - good > 1:
        at = (good + bad) // 2
        tries[at] = tried(job, plans[at])
        budget, loss, accepted = judgement.within(_fidelity(tries[at]), budget)
        rounds.append(_round(plans[at], loss, accepted))
        good, bad = (at, bad) if accepted else (good, at)
    best = tries.get(good if good >= 0 else 0)
    front = tuple(FrontPoint(plan, tries[at].fidelity if at in tries else None) for at, plan in enumerate(plans))
    return Search(best, good >= 0, budget, tuple(rounds), front)


def _fidelity(found: Conversion) -> Fidelity:
    if found.fidelity is None:
        raise PlanError("--max-drop", "there is no data to judge on", "give --eval or --calibration DATA")
    return found.fidelity


def _round(plan: Plan, loss: float, accepted: bool) -> Round:
    told = loss if isfinite(loss) else None
    return Round(plan.predicted.latency or 1.0, plan.predicted.damage or 0.0, told, accepted)

"""The multiple-choice knapsack as a mixed-integer program; the only user of the solver.

    minimise  d . x   where  A x <= b,  the x of one layer sum to at most 1,  x is 0 or 1

A column is an option of a layer: its damage, and what it changes in each of the budget's costs. A layer none of whose
options is taken stays as it is and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-6
_INFEASIBLE = 2


@dataclass(frozen=True)
class Knapsack:
    """`layers` (n,) int: whose option it is; `damages` (n,); `changes` (c, n); `limits` (c,) of the summed changes."""

    layers: NDArray[np.int64]
    damages: NDArray[np.float64]
    changes: NDArray[np.float64]
    limits: NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """The options taken, and by what share of their damage there might be a better choice."""

    taken: tuple[int, ...]
    gap: float


def least_damage(problem: Knapsack) -> Solution | None:
    """The choice with the least damage that meets every limit; None where there is none.

    The solver takes a limit as met within its tolerance, so a choice that oversteps is made again with that much less;
    where only the choice that changes most remains, it is the answer.
    """
    if not len(problem.limits) or (problem.limits >= 0).all():
        return Solution((), 0.0)
    if not len(problem.layers):
        return None
    scale = np.abs(problem.limits) + np.abs(problem.changes).max(axis=1, initial=0.0)
    for slack in (0.0, 2 * _TOLERANCE):
        found = _solved(problem, problem.limits - slack * scale, scale)
        if found is not None and _meets(problem, found.taken):
            return found
    cheapest = most_saved(problem)
    return Solution(cheapest, 0.0) if _meets(problem, cheapest) else None


def most_saved(problem: Knapsack) -> tuple[int, ...]:
    """Of every layer the option that lowers the first cost most, if any does; of equals the one with least damage."""
    first = problem.changes[0]
    best: dict[int, int] = {}
    for column in np.lexsort((problem.damages, first)):
        best.setdefault(int(problem.layers[column]), int(column))
    return tuple(sorted(column for column in best.values() if first[column] < 0))


def _meets(problem: Knapsack, taken: tuple[int, ...]) -> bool:
    return bool((problem.changes[:, list(taken)].sum(axis=1) <= problem.limits).all())


def _solved(problem: Knapsack, limits: NDArray[np.float64], scale: NDArray[np.float64]) -> Solution | None:
    """The program's solution; None where the solver finds that nothing meets the limits, or nothing at all."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    names, rows = np.unique(problem.layers, return_inverse=True)
    one_a_layer = (rows == np.arange(len(names))[:, None]).astype(np.float64)
    # Costs in units of the budget keep the solver's tolerances meaningful.
    budget = LinearConstraint(problem.changes / scale[:, None], -np.inf, limits / scale)
    # The solver stops within an absolute gap too: small damages must not look like none.
    cost = problem.damages / (problem.damages.max() or 1.0)
    result = milp(
        cost,
        constraints=[budget, LinearConstraint(one_a_layer, -np.inf, 1.0)],
        integrality=np.ones(len(cost), np.int64),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": _TOLERANCE},
    )
    if result.status == _INFEASIBLE or result.x is None:
        return None
    taken = tuple(int(column) for column in np.flatnonzero(result.x > 0.5))
    return Solution(taken, float(result.mip_gap or 0.0))

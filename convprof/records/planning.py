"""How a plan was found: what it was chosen from and what was tried (convprof.planning/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.damage import Measure
from convprof.records.fidelity import Fidelity
from convprof.records.plan import Plan
from convprof.records.prices import LatencyTable
from convprof.records.remarks import Remark


class FrontPoint(msgspec.Struct, frozen=True):
    """One of several plans from gentle to harsh, and how near its outputs were where that was measured."""

    plan: Plan
    fidelity: Fidelity | None = None


class Round(msgspec.Struct, frozen=True):
    """One try of the search for the fastest plan that is still good: fitted, compared with the original, kept or not.

    `loss` is in the unit of the budget: the metric's loss for max_drop, the worst output's ratio in dB for min_sqnr,
    None where that is infinite.
    """

    latency: float
    damage: float
    loss: float | None
    accepted: bool


class Planning(msgspec.Struct, frozen=True):
    """The plan, the `front` that it lies on, the `rounds` of the search for it, and the prices that it rests on.

    `measure` says what damages are sums of. `front` is empty where no sweep was asked for, `rounds` where the budget
    asks for no quality, `prices` is None where it names MACs or parameters alone. `worth_it` says that the plan
    converts something, within the loss that was allowed, and was not found to be no faster. `dense_macs` and
    `dense_parameters` are the whole model's before, so that a plan's can be told as shares.
    """

    schema: Literal["convprof.planning/1"]
    convprof: str
    command: str
    plan: Plan
    worth_it: bool
    measure: Measure
    front: tuple[FrontPoint, ...] = ()
    rounds: tuple[Round, ...] = ()
    prices: LatencyTable | None = None
    notices: tuple[Remark, ...] = ()
    dense_macs: int | None = None
    dense_parameters: int | None = None

"""The plans that a plan was chosen among, one point each, with what is known of their time, cost and loss."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.records.fidelity import Fidelity
from convprof.records.plan import Measured, Plan
from convprof.records.planning import Planning
from convprof.reporting.losses import Loss, loss_of

CHOSEN = "chosen"


@dataclass(frozen=True)
class Point:
    """One plan of the front: its number from gentle to harsh, or that it was chosen without being one of them."""

    label: str
    plan: Plan
    fidelity: Fidelity | None
    chosen: bool
    macs_share: float | None
    parameters_share: float | None

    @property
    def predicted(self) -> float | None:
        """Expected share of the dense model's time."""
        return self.plan.predicted.latency

    @property
    def measured(self) -> Measured | None:
        """The time that its graph took."""
        return self.plan.measured

    @property
    def damage(self) -> float | None:
        """Expected sum of damages."""
        return self.plan.predicted.damage


@dataclass(frozen=True)
class Reference:
    """A model to compare plans with, as "dense int8": its share of the dense model's time, and its outputs."""

    label: str
    latency: float
    interval: tuple[float, float] | None = None
    fidelity: Fidelity | None = None


def points(planning: Planning, fidelity: Fidelity | None = None) -> tuple[Point, ...]:
    """All plans of the front and the chosen one; none where there is no front.

    `fidelity` is the chosen plan's, where the front does not hold it.
    """
    if not planning.front:
        return ()
    layers = planning.plan.layers
    found = [
        _point(planning, str(number), each.plan, each.fidelity, chosen=False)
        if each.plan.layers != layers
        else _point(planning, str(number), _timed(planning.plan, each.plan), each.fidelity or fidelity, chosen=True)
        for number, each in enumerate(planning.front, 1)
    ]
    if layers and not any(point.chosen for point in found):
        found.append(_point(planning, CHOSEN, planning.plan, fidelity, chosen=True))
    return tuple(found)


def loss(planning: Planning, fidelity: Fidelity | None = None) -> Loss | None:
    """How losses of the front's models are told; `fidelity` is that of the chosen plan's model."""
    known = [point.fidelity for point in points(planning, fidelity)]
    return loss_of([each for each in (*known, fidelity) if each is not None], planning.plan.budget)


def share(part: int | None, whole: int | None) -> float | None:
    """A plan's MACs or parameters as a share of the dense model's."""
    return part / whole if part is not None and whole else None


def _timed(chosen: Plan, same: Plan) -> Plan:
    """Of two plans with the same layers the one that was measured."""
    return same if chosen.measured is None else chosen


def _point(planning: Planning, label: str, plan: Plan, fidelity: Fidelity | None, *, chosen: bool) -> Point:
    expected = plan.predicted
    macs, parameters = planning.dense_macs, planning.dense_parameters
    return Point(
        label,
        plan,
        fidelity,
        chosen,
        share(expected.macs, macs),
        share(expected.parameters, parameters),
    )

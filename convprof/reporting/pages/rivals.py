"""What a plan was chosen from: a section that the pages of runs and of plans have in common."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.records.fidelity import Fidelity
from convprof.records.planning import Planning
from convprof.records.run import Rival
from convprof.reporting.charts.front import fronts
from convprof.reporting.charts.scatter import Scatter
from convprof.reporting.document import Table
from convprof.reporting.front import loss, points
from convprof.reporting.views import planning as planning_view
from convprof.reporting.views import rival as rival_view


@dataclass(frozen=True)
class Rivals:
    """What a plan was chosen from."""

    fronts: tuple[Scatter, ...]
    front: Table
    rounds: Table
    checks: Table
    notes: tuple[str, ...]


def rivals(planning: Planning, fidelity: Fidelity | None = None, rival: Rival | None = None) -> Rivals:
    """The charts and tables of a plan, with what the run that followed it came to, and with the model in int8."""
    references = () if rival is None else (rival_view.reference(rival),)
    drawn = fronts(points(planning, fidelity), planning.measure, loss(planning, fidelity), references)
    return Rivals(
        fronts=drawn,
        front=planning_view.front(planning, fidelity),
        rounds=planning_view.rounds(planning, fidelity),
        checks=planning_view.checks(planning.prices),
        notes=planning_view.conventions(planning),
    )

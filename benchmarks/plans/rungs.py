"""Rows of plans from gentle to harsh by every method, and of a row the gentlest plan that is fast enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from convprof import planning
from convprof.forms import FORMS
from convprof.graph import ConvNode
from convprof.planning import Choice
from convprof.records.plan import Budget, PlannedLayer
from plans import greedy
from plans.workshop import Layers

_SOLVED = 64
_COARSE = 8
_SMALLEST = 0.01


@dataclass(frozen=True)
class Rungs:
    """`at(0)` is the gentlest plan, `at(count - 1)` the harshest; each is made when it is asked for."""

    count: int
    at: Callable[[int], Layers]

    def gentlest(self, meets: Callable[[Layers], bool]) -> Layers | None:
        """The gentlest that meets what is asked, by bisection: the harsher, the sooner. None where none is found.

        Where the harshest does not, which MACs do not rule out, some of the others are asked.
        """
        good = next((place for place in self._coarse() if meets(self.at(place))), None)
        if good is None:
            return None
        bad = -1
        while good - bad > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if meets(self.at(middle)) else (good, middle)
        return self.at(good)

    def _coarse(self) -> list[int]:
        return sorted({round(place) for place in np.linspace(self.count - 1, 0, _COARSE)}, reverse=True)


def solved(choice: Choice) -> Rungs | None:
    """The planner's, each some two per cent below the last in time, or without prices in MACs; None for nothing."""
    ends = planning.sweep(choice, Budget(), 2)
    if not ends:
        return None
    harshest = ends[-1].predicted
    if choice.prices is None:
        field, lowest = "target_macs", (harshest.macs or 0) / choice.analysis.totals.macs
    else:
        field, lowest = "target_latency", harshest.latency or 1.0
    shares = np.geomspace(1.0, max(lowest, _SMALLEST), _SOLVED + 1)[1:]

    def at(place: int) -> Layers:
        return planning.solve(choice, Budget(**{field: float(shares[place]) * (1 + 1e-9)})).layers

    return Rungs(len(shares), at)


def everywhere(convs: Sequence[ConvNode], form_name: str) -> Rungs | None:
    """The first rank that the form offers everywhere, the second, and so on; where it offers no so high, dense."""
    form = FORMS[form_name]
    ranks = {conv.name: form.ranks(conv.known_site) for conv in convs if form.applies(conv.known_site.spec) is None}
    most = max(map(len, ranks.values()), default=0)

    def at(place: int) -> Layers:
        number = most - 1 - place
        return tuple(
            PlannedLayer(name, form_name, offered[number], form.emissions[0])
            for name, offered in ranks.items()
            if number < len(offered)
        )

    return Rungs(most, at) if most else None


def by_energy(convs: Sequence[ConvNode], form_name: str) -> Rungs | None:
    """Those of the greedy rule."""
    found = greedy.path(convs, FORMS[form_name])
    return Rungs(len(found), lambda place: found[place]) if found else None

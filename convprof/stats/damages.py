"""What each candidate adds to the damage of a plan: its error, weighed by what its layer means to the outputs.

Two things were measured to matter, docs/decisions/0019-sensitivity.md: the root of how far the outputs moved for the
error of a probe, and how many layers come behind, for each of them is fitted to repair what those before it broke.
"""

from __future__ import annotations

from math import sqrt

from convprof.records.damage import Damage

_REPAIR = 3.0
"""Layers behind one another that halve what is left of its damage."""


def predicted(damage: Damage) -> tuple[float, ...]:
    """For each candidate of `damage`, which are in the order of the graph, its share in a plan's damage.

    error * sqrt(sensitivity.damage / sensitivity.error) * 3 / (3 + layers behind it); without the root where no output
    was looked at, and without the last where the errors are not of data, for then nothing is fitted to repair. Sums
    over layers put plans in order; they have no unit. Raises ValueError for a layer that errs and was not looked at
    where others were.
    """
    layers = list(dict.fromkeys(candidate.name for candidate in damage.candidates))
    weights = dict.fromkeys(layers, 1.0)
    if damage.data_aware:
        weights = {name: _REPAIR / (_REPAIR + behind) for behind, name in enumerate(reversed(layers))}
    if damage.measure != "layer-error":
        roots = {each.name: sqrt(each.damage / each.error) for each in damage.sensitivities}
        missing = {each.name for each in damage.candidates if each.error > 0} - roots.keys()
        if missing:
            raise ValueError(f"no sensitivity of {', '.join(sorted(missing))}")
        weights = {name: weight * roots.get(name, 0.0) for name, weight in weights.items()}
    return tuple(weights[candidate.name] * candidate.error for candidate in damage.candidates)

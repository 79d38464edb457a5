"""What each candidate is expected to do to the model's outputs, from what one of its layer's was seen to do."""

from __future__ import annotations

from convprof.records.damage import Damage


def predicted(damage: Damage) -> tuple[float, ...]:
    """For each candidate of `damage` its expected damage, in the measure of `damage`; sums over layers are a plan's.

    A layer's damage grows in proportion to its error: sensitivity.damage * error / sensitivity.error. Where no output
    was looked at, the error itself. Raises ValueError for a candidate whose layer was not looked at where others were.
    """
    if damage.measure == "layer-error":
        return tuple(candidate.error for candidate in damage.candidates)
    rates = {each.name: each.damage / each.error for each in damage.sensitivities}
    missing = {each.name for each in damage.candidates if each.error > 0} - rates.keys()
    if missing:
        raise ValueError(f"no sensitivity of {', '.join(sorted(missing))}")
    return tuple(rates.get(candidate.name, 0.0) * candidate.error for candidate in damage.candidates)

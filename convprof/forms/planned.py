"""What a plan says of one conv, against the conv: the form that it names, or why the two do not go together."""

from __future__ import annotations

from collections.abc import Mapping

from convprof.errors import PlanError
from convprof.forms.contract import Form
from convprof.records.convs import ConvSpec
from convprof.records.plan import PlannedLayer


def planned_form(layer: PlannedLayer, spec: ConvSpec, table: Mapping[str, Form]) -> Form:
    """The form in `table` that `layer` names; raises PlanError where form, rank or emission do not suit `spec`."""
    what = f"plan layer {layer.name!r}"
    if layer.form not in table:
        raise PlanError(what, f"unknown form {layer.form!r}", f"known are {', '.join(table)}")
    form = table[layer.form]
    refusal = form.applies(spec)
    if refusal is not None:
        raise PlanError(what, refusal.text, "take it out of the plan")
    full = form.full_rank(spec)
    if len(layer.rank) != len(full) or not all(1 <= r <= f for r, f in zip(layer.rank, full, strict=True)):
        shown = ", ".join(f"1..{f}" for f in full) or "no rank, []"
        raise PlanError(what, f"rank {list(layer.rank)} is out of range", f"{layer.form} takes {shown} here")
    if layer.emission not in form.emissions:
        raise PlanError(what, f"{layer.form} has no emission {layer.emission!r}", f"it has {', '.join(form.emissions)}")
    return form

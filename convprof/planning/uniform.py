"""One form at one rank everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from convprof.errors import PlanError
from convprof.planning.plans import decided, left_out
from convprof.planning.sites import known_form, site_of
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.convs import Rank
from convprof.records.plan import Budget, Emission, Plan, PlannedLayer


def uniform(
    analysis: Analysis, convs: Sequence[ConvReport], form_name: str, rank: Rank, emission: Emission | None
) -> Plan:
    """One form at one rank for every conv in `convs` that it suits; the rank is cut to what a conv can use.

    Raises PlanError for a form, rank or emission that does not exist, or that suits none of the convs.
    """
    form = known_form(form_name)
    if not rank or min(rank) < 1:
        raise PlanError(f"rank {list(rank)}", "a rank is 1 or more", "give --rank 1, 2, ...")
    written = emission or form.emissions[0]
    if written not in form.emissions:
        raise PlanError(f"emission {written!r}", f"{form_name} has {', '.join(form.emissions)}", "choose one of those")
    layers: list[PlannedLayer] = []
    refused = left_out(analysis, convs)
    for conv in convs:
        refusal = form.applies(site_of(conv).spec)
        if refusal is not None:
            refused[conv.name] = refusal
            continue
        full = form.full_rank(site_of(conv).spec)
        if len(full) != len(rank):
            raise PlanError(f"rank {list(rank)}", f"{form_name} takes {len(full)} numbers", "give that many")
        cut = tuple(min(r, f) for r, f in zip(rank, full, strict=True))
        layers.append(PlannedLayer(conv.name, form_name, cut, written))
    if not layers:
        raise PlanError(f"form {form_name!r}", "it suits none of the convs chosen", "choose another form")
    return decided(analysis, layers, Budget(), refused)

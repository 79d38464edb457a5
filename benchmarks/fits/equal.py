"""Plans of equal work: every form at the MACs of depthwise-pointwise, layer by layer."""

from __future__ import annotations

from msgspec.structs import replace

from convprof.forms import FORMS, Form
from convprof.macs import chain_macs, conv_macs
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.plan import Plan, PlannedLayer
from fits.subjects import Subject

_MEASURE = FORMS["depthwise-pointwise"]


def plan(subject: Subject, form_name: str, rank: int) -> Plan:
    """The form at the most MACs not above those of depthwise-pointwise at `rank`, in every conv that this cheapens.

    Where even the form's lowest rank costs more, it is the lowest; convs that the form does not suit stay dense.
    """
    form = FORMS[form_name]
    layers = [
        PlannedLayer(name, form_name, highest(form, site, allowed(site, rank)), form.emissions[0])
        for name, site in subject.sites.items()
        if form.applies(site.spec) is None and allowed(site, rank) < conv_macs(site.spec, site.output_size, site.batch)
    ]
    return replace(subject.uniform(rank), layers=tuple(layers))


def allowed(site: ConvSite, rank: int) -> int:
    """MACs of depthwise-pointwise there, at `rank` or the highest that is of use."""
    return chain_macs(_MEASURE.chain(site.spec, (min(rank, *_MEASURE.full_rank(site.spec)),)), site)


def highest(form: Form, site: ConvSite, macs: int) -> Rank:
    """The highest rank of at most so many MACs, else the lowest."""
    ranks = _ladder(form, site.spec)
    return next((rank for rank in reversed(ranks) if chain_macs(form.chain(site.spec, rank), site) <= macs), ranks[0])


def _ladder(form: Form, spec: ConvSpec) -> list[Rank]:
    """All ranks from low to high; where they have two numbers, those that come nearest to the same share of both."""
    full = form.full_rank(spec)
    steps = len(full) * max(full)
    ranks = (
        tuple(max(1, (step * most + number * steps // 2) // steps) for number, most in enumerate(full))
        for step in range(1, steps + 1)
    )
    return list(dict.fromkeys(ranks))

"""What a model promises before anything is measured: a sentence, four figures, and what to convert first."""

from __future__ import annotations

from convprof.records.analysis import Analysis, FormOption
from convprof.reporting import wording
from convprof.reporting.candidates import Candidate, candidates
from convprof.reporting.document import Column, Table
from convprof.reporting.escaping import shortened
from convprof.reporting.outcome import Figure

_FIRST = 12
_LONGEST = 60

READING = (
    "A guess from the weights alone: by the largest saving, as a share of all MACs, times how much of what random "
    "kernels would lose at that rank the trained kernel keeps (beyond). It has seen neither data nor a clock: convprof "
    "plan measures both."
)


def summary(analysis: Analysis) -> str:
    """What can be replaced, and where to begin, in a sentence or two."""
    totals = analysis.totals
    if not totals.convs:
        return "The model has no convolutions."
    share = f", {eligible_share(analysis)} of all MACs" if totals.macs else ""
    found = f"{totals.eligible_convs} of {wording.counted(totals.convs, 'convolution')} can be replaced{share}."
    best = next(iter(candidates(analysis)), None)
    return found if best is None else f"{found} Begin with {shortened(best.name)}."


def eligible_share(analysis: Analysis) -> str:
    """The share of the MACs that some form can replace."""
    totals = analysis.totals
    return wording.percent(totals.eligible_macs / totals.macs) if totals.macs else wording.UNKNOWN


def figures(analysis: Analysis) -> tuple[Figure, ...]:
    """Work, what of it can be replaced, where most of it is, and size."""
    totals = analysis.totals
    counted = [conv for conv in analysis.convs if conv.share is not None]
    largest = max(counted, key=lambda conv: conv.share or 0.0, default=None)
    return (
        Figure(
            "Work",
            wording.quantity(totals.macs),
            "MACs an inference",
            (f"{wording.quantity(totals.conv_macs)} in convolutions",),
        ),
        Figure(
            "Replaceable",
            eligible_share(analysis),
            "of all MACs",
            (f"{totals.eligible_convs} of {wording.counted(totals.convs, 'convolution')}",),
        ),
        Figure(
            "Largest layer",
            wording.percent(largest.share if largest else None),
            "of all MACs",
            (shortened(largest.name, _LONGEST),) if largest else ("not known",),
        ),
        Figure("Size", wording.quantity(totals.parameters), "parameters", (wording.count(totals.parameters),)),
    )


def first(analysis: Analysis) -> Table:
    """The convs where converting promises most, each with its most promising option."""
    return Table(
        "What to convert first",
        (
            Column("name", "name"),
            Column("form", "text"),
            Column("rank"),
            Column("share"),
            Column("saves"),
            Column("energy"),
            Column("beyond"),
        ),
        tuple(_first(each) for each in candidates(analysis)[:_FIRST]),
    )


def _first(each: Candidate) -> tuple[str, ...]:
    return (
        each.name,
        each.option.form,
        wording.rank(each.option.rank),
        wording.percent(each.share),
        wording.percent(each.saved),
        energy(each.option),
        wording.percent(each.beyond, 0),
    )


def energy(option: FormOption) -> str:
    """The kernel energy that an option keeps, in percent, and in brackets what random kernels would keep."""
    if option.energy is None:
        return wording.UNKNOWN
    kept = wording.fixed(100 * option.energy, 0)
    if option.energy_random is None:
        return kept
    return wording.amount(f"{kept} ({wording.fixed(100 * option.energy_random, 0)})", option.energy)

"""Which models to time: for each form, rank and emission one in which all convs that it suits carry it at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from convprof.forms import FORMS, Form
from convprof.graph import ConvNode
from convprof.records.convs import Rank
from convprof.records.plan import Emission, PlannedLayer

DENSE = "dense"
_RANKS_OF_OTHER_EMISSIONS = 4
"""Beyond the first few ranks a form's default emission stands for all: what they gain over it shows at low ranks."""


@dataclass(frozen=True)
class Variant:
    """One whole model to time, by the candidates in it."""

    label: str
    layers: tuple[PlannedLayer, ...]


def variants(convs: Sequence[ConvNode], forms: Collection[str]) -> Iterator[Variant]:
    """The model as it is, and then one for each form, each of its emissions, and each number of a rank."""
    yield Variant(DENSE, ())
    for name in forms:
        form = FORMS[name]
        ranks = {conv.name: form.ranks(conv.known_site) for conv in convs if form.applies(conv.known_site.spec) is None}
        for emission in form.emissions:
            yield from _of_emission(form, emission, ranks)


def _of_emission(form: Form, emission: Emission, ranks: dict[str, tuple[Rank, ...]]) -> Iterator[Variant]:
    default = emission == form.emissions[0]
    most = max((len(offered) for offered in ranks.values()), default=0)
    for number in range(most if default else min(most, _RANKS_OF_OTHER_EMISSIONS)):
        layers = tuple(
            PlannedLayer(name, form.name, offered[number], emission)
            for name, offered in ranks.items()
            # At rank 1 all emissions are one graph.
            if number < len(offered) and (default or max(offered[number]) > 1)
        )
        if layers:
            yield Variant(f"{form.name} {emission} {number + 1}", layers)

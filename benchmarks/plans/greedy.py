"""The greedy rule of Zhang et al. 2015 (Accelerating very deep convolutional networks, section 2.4), for one form.

The product over the layers of the energy that they keep is to stay large while the work falls: from all layers at full
rank, again and again the layer steps down whose step loses least of that product for the MACs that it saves,

    -log(energy after / energy before) / (MACs before - MACs after).

Energies are those of the kernels (the paper's are of the layers' outputs); steps are the ranks that convprof offers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from convprof.forms import Form
from convprof.graph import ConvNode
from convprof.macs import chain_macs, conv_macs
from convprof.records.convs import Rank
from convprof.records.plan import PlannedLayer

_NOTHING = 1e-12


@dataclass(frozen=True)
class Stage:
    """One layer at one rank, None for the conv as it is."""

    rank: Rank | None
    energy: float
    macs: int


def path(convs: Sequence[ConvNode], form: Form) -> list[tuple[PlannedLayer, ...]]:
    """The plan after each step, from gentle to harsh."""
    stages = {conv.name: _stages(conv, form) for conv in convs if form.applies(conv.known_site.spec) is None}
    at = dict.fromkeys(stages, 0)
    found: list[tuple[PlannedLayer, ...]] = []
    while ready := [name for name in stages if at[name] + 1 < len(stages[name])]:
        best = min(ready, key=lambda name: _price(stages[name][at[name]], stages[name][at[name] + 1]))
        at[best] += 1
        found.append(_plan(stages, at, form))
    return found


def _stages(conv: ConvNode, form: Form) -> list[Stage]:
    """From the conv as it is to the lowest rank, each with fewer MACs than the one before."""
    site = conv.known_site
    ranks = form.ranks(site)
    stages = [Stage(None, 1.0, conv_macs(site.spec, site.output_size, site.batch))]
    for rank, energy in reversed(list(zip(ranks, form.energy(conv.kernel().astype(np.float64), ranks), strict=True))):
        macs = chain_macs(form.chain(site.spec, rank), site)
        if macs < stages[-1].macs:
            stages.append(Stage(rank, energy, macs))
    return stages


def _price(before: Stage, after: Stage) -> float:
    """What a step loses of the logarithm of the product for each MAC that it saves."""
    return log(max(before.energy, _NOTHING) / max(after.energy, _NOTHING)) / (before.macs - after.macs)


def _plan(stages: Mapping[str, Sequence[Stage]], at: Mapping[str, int], form: Form) -> tuple[PlannedLayer, ...]:
    ranks = {name: stages[name][at[name]].rank for name in stages}
    return tuple(
        PlannedLayer(name, form.name, rank, form.emissions[0]) for name, rank in ranks.items() if rank is not None
    )

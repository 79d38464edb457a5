"""Which ranks are worth offering at a place: those whose chain costs fewer MACs than the dense conv."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from convprof.macs import chain_macs, conv_macs
from convprof.records.convs import ConvSite, ConvSpec, Rank


def cheaper(
    site: ConvSite, ranks: Iterable[Rank], chain: Callable[[ConvSpec, Rank], tuple[ConvSpec, ...]]
) -> tuple[Rank, ...]:
    """The ranks, in their order, whose `chain` is cheaper than the conv that it would stand in for."""
    dense = conv_macs(site.spec, site.output_size, site.batch)
    return tuple(rank for rank in ranks if chain_macs(chain(site.spec, rank), site) < dense)

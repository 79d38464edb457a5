"""Which ranks are worth offering at a place: those whose chain costs fewer MACs than the dense conv."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from convprof.macs import chain_macs, conv_macs
from convprof.records.convs import ConvSite, ConvSpec, Rank

_STEPS = 8
_BLOCK = 8


def cheaper(
    site: ConvSite, ranks: Iterable[Rank], chain: Callable[[ConvSpec, Rank], tuple[ConvSpec, ...]]
) -> tuple[Rank, ...]:
    """The ranks, in their order, whose `chain` is cheaper than the conv that it would stand in for."""
    dense = conv_macs(site.spec, site.output_size, site.batch)
    return tuple(rank for rank in ranks if chain_macs(chain(site.spec, rank), site) < dense)


def eighths(full: Rank) -> tuple[Rank, ...]:
    """At most eight even steps up to `full`, all its numbers growing alike.

    Steps above 4 are whole blocks of 8, which runtimes like.
    """
    even = [-(-most // _STEPS) for most in full]
    steps = [step if step <= _BLOCK // 2 else -(-step // _BLOCK) * _BLOCK for step in even]
    ranks = (tuple(min(step * n, most) for step, most in zip(steps, full, strict=True)) for n in range(1, _STEPS + 1))
    return tuple(rank for rank in dict.fromkeys(ranks) if min(rank) > 0)

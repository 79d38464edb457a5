"""Which ranks are worth offering at a place: few, whole blocks, and with a chain cheaper than the dense conv."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from convprof.macs import chain_macs, conv_macs
from convprof.records.convs import ConvSite, ConvSpec, Rank

_MOST = 8
_BLOCKS = (16, 8)
_BLOCKS_ENOUGH = 4


def cheaper(
    site: ConvSite, ranks: Iterable[Rank], chain: Callable[[ConvSpec, Rank], tuple[ConvSpec, ...]]
) -> tuple[Rank, ...]:
    """Those of `ranks`, in their order, whose `chain` is cheaper than the conv that it would stand in for.

    Of many no more than eight: from the first to the last, closer together at the beginning.
    """
    dense = conv_macs(site.spec, site.output_size, site.batch)
    found = tuple(rank for rank in ranks if chain_macs(chain(site.spec, rank), site) < dense)
    if len(found) <= _MOST:
        return found
    places = np.unique(np.geomspace(1, len(found), _MOST).round().astype(int)) - 1
    return tuple(found[place] for place in places)


def eighths(full: Rank) -> tuple[Rank, ...]:
    """At most eight even steps up to `full`, all its numbers growing alike, in blocks as `in_blocks` makes them."""
    steps = [in_blocks(-(-most // _MOST), most) for most in full]
    ranks = (tuple(min(step * n, most) for step, most in zip(steps, full, strict=True)) for n in range(1, _MOST + 1))
    return tuple(rank for rank in dict.fromkeys(ranks) if min(rank) > 0)


def in_blocks(step: int, most: int) -> int:
    """The step, or a longer one of whole blocks of channels where `most` holds enough of those."""
    block = block_of(most)
    return -(-step // block) * block


def block_of(most: int) -> int:
    """How many channels to step by where there are at most so many.

    Runtimes lay channels out in blocks, of 16 numbers with AVX-512 and of 8 with AVX2 and NEON. A conv into half a
    block falls out of that layout: it is slow, and so is what moves its channels out of the blocks and back.
    """
    return next((size for size in _BLOCKS if most >= size * _BLOCKS_ENOUGH), 1)

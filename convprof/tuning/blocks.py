"""Cuts a network into blocks where few values cross, and names the values at their ends.

Whatever is computed before a cut and read behind it crosses the cut. Cuts stand in front of layers with weights, so
that a block ends behind its activation; a residual block stands between two cuts that one value crosses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from convprof.records.network import Network, Step
from convprof.torch.specialising import sources
from convprof.tuning import settings

_SHAPES = frozenset({"Shape", "Size"})


def block_ends(network: Network, weights: Collection[str], known: Collection[str]) -> tuple[str, ...]:
    """The values that cross from one block to the next, in the order in which they are made.

    Cuts are made only where all that crosses is in `known`: everywhere where the fewest values cross, and so again
    within blocks of more than `settings.LARGEST_BLOCK` layers. `weights` names those of the network.
    """
    flow = _Flow(network, weights)
    crossing = {place: flow.crossing(place) for place in flow.layers[1:]}
    possible = {place: names for place, names in crossing.items() if names.issubset(known)}
    starts = _starts(flow.layers, {place: len(names) for place, names in possible.items()})
    found = set[str]().union(*(possible[place] for place in starts))
    return tuple(name for name in flow.made if name in found)


def _starts(layers: Sequence[int], crossing: Mapping[int, int]) -> list[int]:
    """The layers that blocks start with, but for the first; `crossing` counts values where a cut can be made."""
    found: list[int] = []
    left = [layers]
    while left:
        part = left.pop()
        counts = [crossing[place] for place in part[1:] if place in crossing]
        if not counts or (part is not layers and len(part) <= settings.LARGEST_BLOCK):
            continue
        starts = [i for i, place in enumerate(part) if i and crossing.get(place) == min(counts)]
        found += [part[i] for i in starts]
        left += [part[a:b] for a, b in zip([0, *starts], [*starts, len(part)], strict=True)]
    return found


class _Flow:
    """Which values a network computes from its inputs, but for those that shapes decide, and where they are read."""

    def __init__(self, network: Network, weights: Collection[str]) -> None:
        self.made: dict[str, int] = {}
        """The place of the step that makes a value."""
        self.layers: list[int] = []
        """Places of the steps that read weights, or what is computed from them alone."""
        self._read: dict[str, int] = {}
        given, heavy = {port.name for port in network.inputs}, set(weights)
        for place, step in enumerate(network.steps):
            read = sources(step)
            if not self._moves(step, read, given):
                heavy.update(step.outputs if read & heavy else ())
                continue
            self.made.update((name, place) for name in step.outputs if name)
            self._read.update((name, place) for name in read & self.made.keys())
            if read & heavy:
                self.layers.append(place)

    def _moves(self, step: Step, read: set[str], given: Collection[str]) -> bool:
        return step.op_type not in _SHAPES and any(name in self.made or name in given for name in read)

    def crossing(self, place: int) -> frozenset[str]:
        """Values made before the step at `place` and read there or later."""
        return frozenset(name for name, made in self.made.items() if made < place <= self._read.get(name, -1))

"""Cuts a network into blocks that can be trained one after another: where few values cross, at a layer with weights.

Whatever was computed before a cut and is read behind it crosses the cut. A residual block is what stands between two
cuts that one value crosses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from convprof.records.network import Network, Step
from convprof.torch.specialising import sources
from convprof.tuning import settings

_SHAPES = frozenset({"Shape", "Size"})


@dataclass(frozen=True)
class Block:
    """A piece of a network, by the names of the graph.

    It computes `outputs` from `inputs`, which cross into it, and from the inputs of the graph; `parameters` are the
    trained ones that it is the first to read.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]


def cut(network: Network, ends: Sequence[str], trained: Collection[str], teacher: Network) -> tuple[Block, ...]:
    """The blocks of a network that makes `ends`, in order; each has trained parameters.

    Cuts are made where only values cross that `teacher` makes too: everywhere where the fewest do, and again within
    blocks of more than `settings.LARGEST_BLOCK` layers.
    """
    flow = _Flow(network, trained)
    known = {name for step in teacher.steps for name in step.outputs}
    crossing = {place: flow.crossing(place) for place in flow.layers[1:]}
    possible = {place: names for place, names in crossing.items() if names <= known and not names & flow.shapes}
    parts = _split(flow.layers, {place: len(names) for place, names in possible.items()})
    starts = [part[0] for part in parts[1:]]
    blocks, before, taken = [], frozenset[str](), set[str]()
    for start, end in zip([0, *starts], [*starts, len(network.steps)], strict=True):
        after = possible.get(end, frozenset())
        parameters = flow.parameters(start, end) - taken
        taken |= parameters
        outputs = (after - before) | flow.made(start, end).intersection(ends)
        blocks.append(Block(tuple(sorted(before)), tuple(sorted(outputs)), tuple(sorted(parameters))))
        before = after
    return tuple(block for block in blocks if block.parameters and block.outputs)


def _split(layers: Sequence[int], crossing: Mapping[int, int]) -> list[Sequence[int]]:
    """The layers in parts; `crossing` counts what crosses a cut in front of a layer, where one can be made."""
    done: list[Sequence[int]] = []
    left = [layers]
    while left:
        part = left.pop()
        counts = [crossing[place] for place in part[1:] if place in crossing]
        if not counts or ((done or left or part is not layers) and len(part) <= settings.LARGEST_BLOCK):
            done.append(part)
            continue
        least = min(counts)
        starts = [0, *(i for i, place in enumerate(part) if i and crossing.get(place) == least)]
        pieces = [part[a:b] for a, b in zip(starts, [*starts[1:], len(part)], strict=True)]
        left.extend(reversed(pieces))
    return done


class _Flow:
    """What the steps of a network read and make."""

    def __init__(self, network: Network, trained: Collection[str]) -> None:
        given = {port.name for port in network.inputs}
        self._made: dict[str, int] = {}
        self._read: dict[str, int] = {}
        self._weights: dict[str, frozenset[str]] = {name: frozenset([name]) for name in trained}
        self._steps = network.steps
        self.shapes: set[str] = set()
        """Values that are known once the shapes of others are: those cannot be handed to a block."""
        for place, step in enumerate(network.steps):
            self._take(place, step, given)
        self.layers = [place for place, step in enumerate(network.steps) if self._used(step) and self._moves(step)]

    def _take(self, place: int, step: Step, given: Collection[str]) -> None:
        read = sources(step)
        moving = {name for name in read if name in self._made}
        if moving or (read.intersection(given) and step.op_type not in _SHAPES):
            self._made.update((name, place) for name in step.outputs if name)
            self._read.update((name, place) for name in moving)
            if moving and (step.op_type in _SHAPES or moving <= self.shapes):
                self.shapes.update(step.outputs)
        elif weights := self._used(step):
            self._weights.update((name, weights) for name in step.outputs)

    def _moves(self, step: Step) -> bool:
        """Whether the inputs of the network decide what it makes."""
        return any(name in self._made for name in step.outputs)

    def _used(self, step: Step) -> frozenset[str]:
        """The trained parameters that the step reads, or that what it reads was computed from."""
        return frozenset[str]().union(*(self._weights.get(name, ()) for name in sources(step)))

    def crossing(self, place: int) -> frozenset[str]:
        """Values made before the step at `place` and read there or later."""
        return frozenset(name for name, made in self._made.items() if made < place <= self._read.get(name, -1))

    def made(self, start: int, end: int) -> frozenset[str]:
        """Values that the steps from `start` to before `end` make."""
        return frozenset(name for name, place in self._made.items() if start <= place < end)

    def parameters(self, start: int, end: int) -> frozenset[str]:
        """What the steps from `start` to before `end` are the trained parameters of."""
        steps = (step for step in self._steps[start:end] if self._moves(step))
        return frozenset[str]().union(*(self._used(step) for step in steps))

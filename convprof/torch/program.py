"""A network made ready for inputs of given shapes: what depends on shapes alone is known, the rest is a list of calls.

A program is plain: a number for every value (a slot), and calls that read slots and fill slots in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from convprof.torch.node import Kernel, Node


@dataclass(frozen=True)
class Slot:
    """A value that a program computes or is given, by its number."""

    number: int


@dataclass(frozen=True)
class Call:
    """One operator: what it reads (slots, or what is known already), fills, and which slots nobody reads after it."""

    kernel: Kernel
    node: Node
    arguments: tuple[object, ...]
    results: tuple[int, ...]
    last: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """Calls in order. `feeds` and `weights` are the names of the values that fill the first slots, in that order."""

    feeds: tuple[str, ...]
    weights: tuple[str, ...]
    slots: int
    calls: tuple[Call, ...]
    outputs: tuple[Slot | Tensor, ...]

    def run(self, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The outputs for the values of `feeds` and `weights`."""
        values: list[Tensor | None] = [*given, *[None] * (self.slots - len(given))]
        for call in self.calls:
            arguments = [values[each.number] if isinstance(each, Slot) else each for each in call.arguments]
            made = call.kernel(call.node, *arguments)
            for number, value in zip(call.results, made if isinstance(made, tuple) else (made,), strict=False):
                if number >= 0:
                    values[number] = value
            for number in call.last:
                values[number] = None
        return tuple(_found(values[each.number]) if isinstance(each, Slot) else each for each in self.outputs)


def _found(value: Tensor | None) -> Tensor:
    assert value is not None
    return value

"""What an operator is given besides tensors, and what a row of the table of operators says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Results = Tensor | tuple[Tensor | None, ...]
Kernel = Callable[..., Results]
Statistics = Literal["own", "batch", "batches"]
"""Those that a normalisation uses: the graph's own, those of the batch, or of the batches of all processes together."""


@dataclass(frozen=True)
class Node:
    """One node as its operator sees it.

    `version` is the opset; `statistics` says which a normalisation uses; `wanted` is the number of outputs that
    somebody may read. `floats` maps the model's own floating type to the one that the module was moved to. `output` is
    the name of its first output.
    """

    op_type: str
    attributes: Mapping[str, Any]
    version: int
    wanted: int = 1
    statistics: Statistics = "own"
    floats: tuple[torch.dtype, torch.dtype] = (torch.float32, torch.float32)
    output: str = ""

    def integer(self, name: str, default: int) -> int:
        """An attribute that is an integer."""
        return int(self.attributes.get(name, default))

    def number(self, name: str, default: float) -> float:
        """An attribute that is a number."""
        return float(self.attributes.get(name, default))

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        return str(self.attributes.get(name, default))

    def integers(self, name: str) -> tuple[int, ...] | None:
        """An attribute that is a list of integers, None where it is left out."""
        found = self.attributes.get(name)
        return None if found is None else tuple(found)

    def floating(self, dtype: torch.dtype) -> torch.dtype:
        """The type to use where the graph says `dtype`."""
        native, current = self.floats
        return current if dtype == native else dtype


@dataclass(frozen=True)
class Op:
    """A row of the table: the function, called with the Node and a value or None for each input.

    `known` numbers the inputs that must not depend on the values of the model's inputs: they come as numbers or tuples
    of numbers. With `scalars`, a constant of a single element comes as a number too.
    """

    kernel: Kernel
    known: tuple[int, ...] = ()
    scalars: bool = False

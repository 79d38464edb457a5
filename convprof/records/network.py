"""A graph as plain data, for rooms that execute it without knowing ONNX: steps in order, constants, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Step:
    """One node. An input that is left out is ""; `attributes` are numbers, texts, tuples, arrays and Networks."""

    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    name: str


@dataclass(frozen=True)
class Port:
    """An input of a network: its type by numpy's name, and its sizes, None where they are free or unknown."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Network:
    """A graph or subgraph: the steps in an order in which they run, the model's functions written out in place.

    `constants` holds initialisers and the values of Constant nodes, which are no steps, by name (bfloat16 and smaller
    in ml_dtypes' types). `stored` names those of them that can be written back. `versions` is the opset of each domain,
    "" being ONNX's own.
    """

    what: str
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, NDArray[Any]]
    stored: frozenset[str]
    versions: Mapping[str, int]

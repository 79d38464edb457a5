"""The numbers of a factored convolution: the record between fitting and rewriting."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from convprof.records.convs import ConvSpec, Rank

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Factors:
    """Weights of a chain of convs, first to last, each of its spec's weight_shape, float64, and the last one's bias."""

    weights: tuple[Array, ...]
    bias: Array | None = None


class Recipe(msgspec.Struct, frozen=True):
    """How a layer was fitted.

    `ridge` is the pull towards the original kernel as a share of mean(diag S), None where nothing but the weights was
    used; `teacher_share` of the moments come from the original network's inputs; `activated` says that the response was
    fitted for what the activation behind it makes of it.
    """

    ridge: float | None = None
    teacher_share: float = 0.0
    activated: bool = False


@dataclass(frozen=True)
class FittedConv:
    """One planned layer with its numbers; errors and recipe as in `convprof.records.run.FittedLayer`."""

    name: str
    form: str
    rank: Rank
    factors: Factors
    error: float | None
    error_weights: float | None
    recipe: Recipe
    model_error: float | None = None


@dataclass(frozen=True)
class ConvStep:
    """One Conv to write into a graph: W of spec.weight_shape, B of (out_channels,) or None."""

    spec: ConvSpec
    weight: Array
    bias: Array | None


@dataclass(frozen=True)
class Parallel:
    """Branches that read the same input, joined by adding them up or by concatenating their channels."""

    branches: tuple[tuple[ConvStep, ...], ...]
    join: str


Arrangement = tuple[ConvStep | Parallel, ...]
"""Steps that run one after another."""

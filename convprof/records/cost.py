"""The arithmetic of one convolution beside its separable stand-in: the record of `convprof cost` (convprof.cost/1)."""

from __future__ import annotations

from typing import Literal

import msgspec


class LayerCost(msgspec.Struct, frozen=True):
    """One conv: shapes are (height, width, channels), `parameters` without bias."""

    name: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    macs: int
    parameters: int


class Cost(msgspec.Struct, frozen=True):
    """The dense conv, the convs of the chain, and the ratios chain / dense."""

    schema: Literal["convprof.cost/1"]
    dense: LayerCost
    chain: tuple[LayerCost, ...]
    macs: int
    parameters: int
    macs_ratio: float
    parameters_ratio: float
    break_even_rank: int
    """The smallest depth multiplier that costs as much as the dense conv or more."""

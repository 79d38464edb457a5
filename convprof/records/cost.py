"""The arithmetic of one convolution beside its separable stand-in: the record of `convprof cost`."""

from __future__ import annotations

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

    dense: LayerCost
    chain: tuple[LayerCost, ...]
    macs: int
    parameters: int
    macs_ratio: float
    parameters_ratio: float
    break_even_rank: int
    """The smallest depth multiplier that costs as much as the dense conv or more."""

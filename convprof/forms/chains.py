"""The plainest way to write a chain: its convs one after another."""

from __future__ import annotations

from convprof.records.convs import ConvSpec
from convprof.records.factors import Arrangement, ConvStep, Factors


def in_a_row(chain: tuple[ConvSpec, ...], factors: Factors) -> Arrangement:
    """Each conv of the chain with its weights; the bias sits on the last one."""
    biases = [*([None] * (len(chain) - 1)), factors.bias]
    return tuple(ConvStep(*step) for step in zip(chain, factors.weights, biases, strict=True))

"""The one formula for the work and the parameters of a convolution; everything else sums it.

    MACs       = batch * prod(output size) * out_channels * (in_channels / group) * prod(kernel_shape)
    parameters = out_channels * (in_channels / group) * prod(kernel_shape)  (+ out_channels with a bias)

One MAC is one multiply-accumulate; FLOPs = 2 x MACs. Padded positions count as the formula has them; bias and
activation are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from convprof.records.convs import ConvSite, ConvSpec


def conv_macs(spec: ConvSpec, output_size: tuple[int, ...], batch: int = 1) -> int:
    """Multiply-accumulates of one conv whose output map has `output_size` positions."""
    return batch * prod(output_size) * prod(spec.weight_shape)


def conv_parameters(spec: ConvSpec, *, bias: bool = False) -> int:
    """Number of weights of one conv, with its bias if it has one."""
    return prod(spec.weight_shape) + (spec.out_channels if bias else 0)


def chain_macs(chain: Iterable[ConvSpec], site: ConvSite) -> int:
    """Multiply-accumulates of convs run one after another on the input of `site`."""
    total, size = 0, site.input_size
    for spec in chain:
        size = spec.output_size(size)
        total += conv_macs(spec, size, site.batch)
    return total


def chain_parameters(chain: Iterable[ConvSpec], *, bias: bool = False) -> int:
    """Weights of a chain; the bias, if any, sits on the last conv."""
    specs = tuple(chain)
    return sum(conv_parameters(spec) for spec in specs) + (specs[-1].out_channels if bias else 0)

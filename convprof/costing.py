"""The arithmetic of a depthwise-separable conv from sizes alone, no model needed."""

from __future__ import annotations

from collections.abc import Sequence

from convprof.errors import UsageError
from convprof.forms import FORMS
from convprof.macs import conv_macs, conv_parameters
from convprof.records.convs import ConvSpec
from convprof.records.cost import Cost, LayerCost

_FORM = "depthwise-pointwise"


def cost(
    input_shape: Sequence[int], kernel: Sequence[int], filters: int, stride: int, padding: int, dilation: int, rank: int
) -> Cost:
    """MACs and parameters of a conv on an input of (height, width, channels), dense and as depthwise + pointwise.

    `kernel` has one entry or one an axis. Raises UsageError for sizes that make no conv.
    """
    *size, channels = input_shape or (0,)
    shape = tuple(kernel) * len(size) if len(kernel) == 1 else tuple(kernel)
    if len(size) not in (1, 2, 3) or len(shape) != len(size):
        raise UsageError("--input", f"{'x'.join(map(str, input_shape))} does not go with the kernel", "as in 12x12x3")
    if min((*size, channels, *shape, filters, stride, dilation, rank)) < 1 or padding < 0:
        raise UsageError("cost", "every size must be 1 or more, padding 0 or more", "as in --input 12x12x3 --kernel 5")
    axes = len(size)
    spec = ConvSpec(channels, filters, shape, (stride,) * axes, (padding,) * (2 * axes), (dilation,) * axes)
    if min(spec.output_size(tuple(size))) < 1:
        raise UsageError("--kernel", "the kernel does not fit into the input", "add --padding or take a larger input")
    dense = _layer("dense", spec, tuple(size))
    chain: list[LayerCost] = []
    at = tuple(size)
    for name, part in zip(("depthwise", "pointwise"), FORMS[_FORM].chain(spec, (rank,)), strict=True):
        chain.append(_layer(name, part, at))
        at = part.output_size(at)
    macs, parameters = sum(c.macs for c in chain), sum(c.parameters for c in chain)
    one = chain[0].macs // rank + chain[1].macs // rank
    return Cost(
        schema="convprof.cost/1",
        dense=dense,
        chain=tuple(chain),
        macs=macs,
        parameters=parameters,
        macs_ratio=macs / dense.macs,
        parameters_ratio=parameters / dense.parameters,
        break_even_rank=-(-dense.macs // one),
    )


def _layer(name: str, spec: ConvSpec, size: tuple[int, ...]) -> LayerCost:
    output = spec.output_size(size)
    return LayerCost(
        name,
        (*size, spec.in_channels),
        (*output, spec.out_channels),
        spec.weight_shape,
        conv_macs(spec, output),
        conv_parameters(spec),
    )

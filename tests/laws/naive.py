"""Convolution by its definition, in numpy and in the order of the definition: what everything else is held against."""

from __future__ import annotations

import numpy as np

from convprof.records.convs import ConvSpec
from convprof.records.factors import Arrangement, Array, ConvStep, Factors, Parallel


def convolve(inputs: Array, weight: Array, spec: ConvSpec, bias: Array | None = None) -> Array:
    """ONNX's Conv of inputs (n, M, *size) with weight of spec.weight_shape."""
    axes = len(spec.kernel_shape)
    pads = [(spec.pads[i], spec.pads[axes + i]) for i in range(axes)]
    padded = np.pad(inputs, [(0, 0), (0, 0), *pads])
    size = spec.output_size(inputs.shape[2:])
    group, width = spec.group, spec.in_channels // spec.group
    split = weight.reshape(group, spec.out_channels // group, *weight.shape[1:])
    result = np.zeros((len(inputs), group, spec.out_channels // group, *size))
    for tap in np.ndindex(*spec.kernel_shape):
        begin = [tap[i] * spec.dilations[i] for i in range(axes)]
        window = tuple(
            slice(begin[i], begin[i] + (size[i] - 1) * spec.strides[i] + 1, spec.strides[i]) for i in range(axes)
        )
        part = padded[(slice(None), slice(None), *window)].reshape(len(inputs), group, width, *size)
        result += np.einsum("ngi...,goi->ngo...", part, split[(..., *tap)])
    flat = result.reshape(len(inputs), spec.out_channels, *size)
    return flat if bias is None else flat + bias.reshape(-1, *(1,) * axes)


def run_chain(inputs: Array, chain: tuple[ConvSpec, ...], factors: Factors) -> Array:
    """The convs of a chain one after another; the last one has the bias."""
    for number, (spec, weight) in enumerate(zip(chain, factors.weights, strict=True), 1):
        inputs = convolve(inputs, weight, spec, factors.bias if number == len(chain) else None)
    return inputs


def run_arrangement(inputs: Array, steps: Arrangement) -> Array:
    """The convs of an arrangement, branches joined as they say."""
    for step in steps:
        inputs = _convolve_step(inputs, step) if isinstance(step, ConvStep) else _run_parallel(inputs, step)
    return inputs


def _run_parallel(inputs: Array, step: Parallel) -> Array:
    branches = [run_arrangement(inputs, branch) for branch in step.branches]
    return np.concatenate(branches, axis=1) if step.join == "concat" else np.sum(branches, axis=0)


def _convolve_step(inputs: Array, step: ConvStep) -> Array:
    assert step.weight.shape == step.spec.weight_shape
    return convolve(inputs, step.weight, step.spec, step.bias)


def count_macs(spec: ConvSpec, input_size: tuple[int, ...]) -> int:
    """Multiplications of one conv on one input, counted one by one."""
    total = 0
    for _ in np.ndindex(spec.out_channels, *spec.output_size(input_size)):
        for _ in np.ndindex(spec.in_channels // spec.group, *spec.kernel_shape):
            total += 1
    return total

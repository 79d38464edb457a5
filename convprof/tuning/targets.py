"""What of a graph is compared: its outputs, or what stands before a final Softmax, and the features before its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from convprof.errors import ModelError
from convprof.records.network import Network, Step
from convprof.torch import Module
from convprof.tuning.samples import Batch

Kind = Literal["logits", "values"]
_PASSING = frozenset({"Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Dropout"})
_SOFT = frozenset({"Softmax", "LogSoftmax"})
_LAYERS = frozenset({"Gemm", "MatMul", "Conv"})


@dataclass(frozen=True)
class Target:
    """What stands for an output of the graph: a value, and what it is.

    `features` is the vector of `width` numbers that the layer of class scores reads; "" where there is none.
    """

    output: str
    name: str
    kind: Kind
    features: str = ""
    width: int = 0


def find_targets(module: Module, batch: Batch) -> tuple[Target, ...]:
    """What stands for the floating-point outputs of a network, as `batch` shows them.

    Class scores, (samples, two or more classes), are logits: where the graph ends in Softmax, what goes into it. Raises
    ModelError where no output holds floating-point numbers.
    """
    network = module.network
    makers = {name: step for step in network.steps for name in step.outputs if name}
    names = {output: _before_softmax(output, makers) for output in network.outputs}
    features = {name: _features(name, network, makers) for name in names.values()}
    with torch.no_grad():
        values = module.run(batch.feeds, [name for name in {**features, **dict.fromkeys(features.values())} if name])
    targets = tuple(
        _target(output, name, features[name], values)
        for output, name in names.items()
        if values[name].is_floating_point() and values[name].numel()
    )
    if not targets:
        raise ModelError(network.what, "none of its outputs holds floating-point numbers", "there is nothing to train")
    return targets


def _target(output: str, name: str, features: str, values: Mapping[str, torch.Tensor]) -> Target:
    if not _vectors(values[name]):
        return Target(output, name, "values")
    if not features or not _vectors(values[features]):
        return Target(output, name, "logits")
    return Target(output, name, "logits", features, values[features].shape[1])


def _before_softmax(name: str, makers: Mapping[str, Step]) -> str:
    """What goes into the Softmax that makes the value, if nothing but a change of shape follows it; else the value."""
    at: str = name
    while (step := makers.get(at)) is not None:
        if step.op_type in _SOFT:
            return step.inputs[0]
        if step.op_type not in _PASSING:
            break
        at = step.inputs[0]
    return name


def _vectors(value: torch.Tensor) -> bool:
    """Whether it is (samples, two or more), as class scores are."""
    return value.ndim >= 2 and value.shape[1] >= 2 and all(size == 1 for size in value.shape[2:])


def _features(name: str, network: Network, makers: Mapping[str, Step]) -> str:
    """What the last layer on the way to a value reads: the first input, step by step, up to a layer with weights."""
    at, given = name, {port.name for port in network.inputs}
    while (step := makers.get(at)) is not None:
        at = step.inputs[0] if step.inputs else ""
        if step.op_type in _LAYERS:
            return "" if at in given or at not in makers else at
    return ""

"""The weights of a run, copied, averaged and put back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from convprof.tuning import settings
from convprof.tuning.objective import Objective

State = dict[str, Tensor]


def held(objective: Objective) -> State:
    """The trained parameters, and the statistics of normalisations, which follow the data; not copied."""
    statistics = {name: value for name, value in objective.student.named_buffers() if value.is_floating_point()}
    return {**objective.trained, **statistics}


def copied(weights: Mapping[str, Tensor]) -> State:
    """The same numbers in memory of their own."""
    return {name: value.detach().clone() for name, value in weights.items()}


def placed(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> State:
    """Weights that were read, in the place of `own`; raises ValueError where they are not those of the same names."""
    if {name: value.shape for name, value in weights.items()} != {name: value.shape for name, value in own.items()}:
        raise ValueError("it holds other weights")
    return {name: weights[name].to(value) for name, value in own.items()}


@torch.no_grad()
def load(objective: Objective, weights: Mapping[str, Tensor]) -> None:
    """Put numbers back."""
    for name, value in held(objective).items():
        value.copy_(weights[name])


@torch.no_grad()
def average(into: State, weights: Mapping[str, Tensor], count: int) -> None:
    """Move the average, of `count` states so far, a little towards `weights`; faster while there are few."""
    decay = min(settings.AVERAGE, (1 + count) / (10 + count))
    torch._foreach_lerp_([into[name] for name in weights], [value.detach() for value in weights.values()], 1 - decay)

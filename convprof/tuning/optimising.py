"""How gradients become steps: weights that mix channels are turned, everything else is moved number by number.

`muon` (Jordan et al. 2024) takes the matrix nearest to the averaged gradient whose singular values are all alike, found
by a Newton-Schulz iteration, so that all directions of a matrix learn at the same pace: the directions in which the
gradient of a factored conv is small are those that its fit has left over. Here a step is as long as the learning rate
says in units of the weight's norm at the start, so that one rate suits every network. Filters that see one channel,
biases and scales are left to AdamW.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import overload

import torch
from torch import Tensor, nn

from convprof.tuning import settings

_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """The optimiser for weights of two axes or more, the first against all others."""

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float) -> None:
        super().__init__(parameters, {"lr": rate})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step along the gradients there are, after `closure` has computed them anew if it is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, group["lr"])
        return loss

    def _step(self, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[parameter]
        if not state:
            state["average"], state["norm"] = torch.zeros_like(parameter), parameter.norm()
        average = state["average"].lerp_(gradient, 1 - _MOMENTUM)
        turned = orthogonal(gradient.lerp(average, _MOMENTUM).flatten(1)).reshape(parameter.shape)
        length = float(rate * state["norm"] / turned.norm().clamp_min(1e-12))
        parameter.add_(turned, alpha=-length)


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix whose singular values are the same; they end between 0.7 and 1.2."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / (wide.norm() + 1e-12)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    turned: Tensor = wide.T if matrix.shape[0] > matrix.shape[1] else wide
    return turned


def optimisers(trained: Mapping[str, nn.Parameter], name: str, rate: float) -> tuple[torch.optim.Optimizer, ...]:
    """Those that `name` stands for, `muon` or `adamw`, each with its peak rate in `peak` of its groups."""
    mixing = [each for each in trained.values() if name == "muon" and each.ndim > 1 and each.shape[1] > 1]
    chosen = {id(each) for each in mixing}
    others = [each for each in trained.values() if id(each) not in chosen]
    made: list[torch.optim.Optimizer] = []
    if mixing:
        made.append(Muon(mixing, rate))
    if others:
        aside = rate if name == "adamw" else settings.RATES["adamw"]
        made.append(torch.optim.AdamW(others, aside, weight_decay=0.0))
    for each in made:
        for group in each.param_groups:
            group["peak"] = group["lr"]
    return tuple(made)

"""The modules that stand in for one convolution: plain torch convs, which every loop and exporter knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

import numpy as np
import torch
from torch import Tensor, nn

from convprof.records.convs import Rank
from convprof.records.factors import Arrangement, Array, ConvStep, Parallel
from convprof.torch.sites import Conv


class FactoredConv(nn.Sequential):
    """Convs that run one after another in the place of a dense one; a step may be `Branches`.

    `form` and `rank` say how the dense conv was factored.
    """

    def __init__(self, *steps: nn.Module, form: str = "", rank: Rank = ()) -> None:
        super().__init__(*steps)
        self.form = form
        self.rank = rank

    def extra_repr(self) -> str:
        """The form and the rank, in front of the steps."""
        return f"form={self.form}, rank={list(self.rank)}"


class Branches(nn.Module):
    """Branches that read the same input, joined by adding them up or by concatenating their channels."""

    def __init__(self, branches: Iterable[nn.Module], join: str, axes: int) -> None:
        """Join `branches` by "sum" or "concat"; there are `axes` spatial axes."""
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join
        self._channels = -1 - axes

    def forward(self, x: Tensor) -> Tensor:
        """The joined branches of `x` (batch, channels, *size), or without the batch."""
        made: list[Tensor] = [branch(x) for branch in self.branches]
        if self.join == "concat":
            return torch.cat(made, dim=self._channels)
        return reduce(torch.add, made)

    def extra_repr(self) -> str:
        """How the branches are joined."""
        return f"join={self.join}"


def stand_in(conv: Conv, arrangement: Arrangement, form: str, rank: Rank) -> nn.Module:
    """What runs `arrangement` in the place of `conv`, of its type, on its device, in its mode, trained if it is.

    A single conv is just that.
    """
    made = [_conv(conv, step) if isinstance(step, ConvStep) else _branches(conv, step) for step in arrangement]
    alone = len(made) == 1 and isinstance(made[0], Conv)
    return made[0] if alone else FactoredConv(*made, form=form, rank=rank).train(conv.training)


def _branches(conv: Conv, parallel: Parallel) -> Branches:
    rows = [nn.Sequential(*(_conv(conv, step) for step in branch)) for branch in parallel.branches]
    return Branches(rows, parallel.join, len(conv.kernel_size))


def _conv(conv: Conv, step: ConvStep) -> Conv:
    """One conv of the chain; `same` says for each of them what it says for the whole."""
    spec = step.spec
    make: Callable[..., Conv] = type(conv)
    made = make(
        spec.in_channels,
        spec.out_channels,
        spec.kernel_shape,
        stride=spec.strides,
        padding="same" if conv.padding == "same" else spec.pads[: len(spec.kernel_shape)],
        dilation=spec.dilations,
        groups=spec.group,
        bias=step.bias is not None,
        device="meta",  # no numbers are drawn that nobody wants
        dtype=conv.weight.dtype,
    ).to_empty(device=conv.weight.device)
    trained = conv.weight.requires_grad
    _fill(made.weight, step.weight, trained)
    if made.bias is not None and step.bias is not None:
        _fill(made.bias, step.bias, trained if conv.bias is None else conv.bias.requires_grad)
    return made.train(conv.training)


@torch.no_grad()
def _fill(parameter: Tensor, array: Array, trained: bool) -> None:
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    parameter.requires_grad_(trained)

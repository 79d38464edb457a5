"""Convs of torch as users write them, and a small residual network, for the tests of `separate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

CONVS: dict[int, Callable[..., nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_KERNEL = {1: 5, 2: 4, 3: 3}


@dataclass(frozen=True)
class Case:
    """One conv and inputs for it."""

    conv: nn.Conv1d | nn.Conv2d | nn.Conv3d
    inputs: Tensor


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A dense conv over 1 to 3 axes, float64: any stride, padding (also `same` and `valid`), dilation, bias or none."""
    axes = draw(st.integers(1, 3))

    def each(low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
        return st.tuples(*[st.integers(low, high)] * axes)

    kernel = draw(each(1, _KERNEL[axes]).filter(lambda k: max(k) > 1))
    padding: Any = draw(st.one_of(each(0, 2), st.sampled_from(["same", "valid"])))
    stride = (1,) * axes if padding == "same" else draw(each(1, 3))
    dilation = draw(each(1, 2))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    conv = CONVS[axes](
        draw(st.integers(1, 5)),
        draw(st.integers(1, 5)),
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        bias=draw(st.booleans()),
        dtype=torch.float64,
    )
    extra = draw(each(0, 3))
    size = [d * (k - 1) + 1 + more for d, k, more in zip(dilation, kernel, extra, strict=True)]
    return Case(conv, torch.randn(2, conv.in_channels, *size, dtype=torch.float64))


class Block(nn.Module):
    """A residual block whose second conv is called twice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.downsample = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        self.twice = nn.Conv2d(channels, channels, 3, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.twice(self.twice(torch.relu(self.bn(self.conv1(x)) + self.downsample(x)))))


class Network(nn.Module):
    """Modules that are called, a list that is not, a Sequential in a Sequential, and one attribute within another."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.layer1 = nn.Sequential(Block(4), Block(4))
        self.blocks = nn.ModuleList(nn.Sequential(nn.Sequential(nn.Conv2d(4, 4, 3)), nn.ReLU()) for _ in range(2))
        self.inner = nn.ModuleDict({"inner": nn.Conv2d(4, 4, 3, padding=1)})

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(self.stem(x))
        for block in self.blocks:
            x = block(x)
        made: Tensor = self.inner["inner"](x)
        return made


def network(seed: int = 0) -> Network:
    """The network with weights of its own, and statistics that are not those of a new one."""
    torch.manual_seed(seed)
    made = Network()
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None and part.running_var is not None:
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
    return made


CONV_NAMES = (
    "stem",
    *(f"layer1.{n}.{name}" for n in (0, 1) for name in ("conv1", "downsample.0", "twice")),
    *(f"blocks.{n}.0.0" for n in (0, 1)),
    "inner.inner",
)

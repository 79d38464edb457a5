"""The convolutions of a torch model: their geometry, and why some of them cannot be replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from convprof.records.convs import ConvSpec
from convprof.records.factors import Array
from convprof.records.remarks import Remark
from convprof.torch.types import to_numpy

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Site:
    """One conv of a torch model under all the names that it has there, the first one first."""

    names: tuple[str, ...]
    conv: Conv

    @property
    def name(self) -> str:
        """The name that stands for it, "" where the conv is the whole model."""
        return self.names[0]

    @property
    def spec(self) -> ConvSpec:
        """Its geometry, in ONNX's terms."""
        conv = self.conv
        return ConvSpec(
            conv.in_channels,
            conv.out_channels,
            tuple(conv.kernel_size),
            tuple(conv.stride),
            _pads(conv),
            tuple(conv.dilation),
            conv.groups,
        )

    @property
    def kernel(self) -> Array:
        """Its weights, as float64."""
        return to_numpy(self.conv.weight).astype(np.float64)

    @property
    def bias(self) -> Array | None:
        """Its bias, as float64."""
        return None if self.conv.bias is None else to_numpy(self.conv.bias).astype(np.float64)


def find_sites(module: nn.Module) -> dict[str, Site | Remark]:
    """Every conv of the model by its first name, in order: its site, or why no chain can stand in for it."""
    names: dict[_ConvNd, list[str]] = {}
    for name, part in module.named_modules(remove_duplicate=False):
        if isinstance(part, _ConvNd):
            names.setdefault(part, []).append(name)
    held = Counter(id(parameter) for parameter in _parameters(module))
    return {known[0]: _refusal(conv, held) or Site(tuple(known), cast(Conv, conv)) for conv, known in names.items()}


def _parameters(module: nn.Module) -> Iterator[nn.Parameter]:
    """Every parameter once for each module that holds it."""
    for part in module.modules():
        yield from (parameter for parameter in part._parameters.values() if parameter is not None)


def _refusal(conv: _ConvNd, held: Counter[int]) -> Remark | None:
    return _refused_kind(conv) or _refused_state(conv) or _refused_numbers(conv, held)


def _refused_kind(conv: _ConvNd) -> Remark | None:
    if isinstance(conv, _ConvTransposeNd):
        return Remark("conv-transpose", "transposed convolutions are not factored")
    if parametrize.is_parametrized(conv) or "weight" not in conv._parameters:
        return Remark("parametrized", "its weight is computed from others, as by weight_norm or pruning; remove that")
    if is_lazy(conv.weight):
        return Remark("lazy", "it has no weights yet: run the model once")
    if type(conv) not in _CONVS:
        return Remark("subclass", f"it is a {type(conv).__name__}, which may compute something else")
    return None


def _refused_state(conv: _ConvNd) -> Remark | None:
    if any(getattr(conv, hooks) for hooks in _HOOKS):
        return Remark("hooked", "hooks are registered on it, which a chain would not call")
    if conv.padding_mode != "zeros":
        return Remark("padding-mode", f"it pads by {conv.padding_mode}: a chain pads with zeros")
    return None


def _refused_numbers(conv: _ConvNd, held: Counter[int]) -> Remark | None:
    parameters = [parameter for parameter in (conv.weight, conv.bias) if parameter is not None]
    if any(held[id(parameter)] > 1 for parameter in parameters):
        return Remark("tied", "another module has the same weights")
    if conv.weight.dtype not in _FLOATS:
        return Remark("dtype", f"weights of type {conv.weight.dtype} are not factored")
    if any(parameter.is_meta for parameter in parameters):
        return Remark("weights-unreadable", "it is on the meta device: there are no weights")
    if not all(bool(parameter.isfinite().all()) for parameter in parameters):
        return Remark("weights-not-finite", "the weights hold NaN or infinity")
    return None


def _pads(conv: Conv) -> tuple[int, ...]:
    """ONNX's pads; what `same` cannot share evenly comes at the end."""
    if conv.padding == "valid":
        return (0,) * (2 * len(conv.kernel_size))
    if conv.padding == "same":
        whole = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        return (*(each // 2 for each in whole), *(each - each // 2 for each in whole))
    return (*(int(each) for each in conv.padding), *(int(each) for each in conv.padding))

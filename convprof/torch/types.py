"""numpy <-> torch, where the two do not share a type as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# ml_dtypes' numbers that numpy does not know itself, and the integers of their size.
_CARRIED = {
    "bfloat16": (torch.bfloat16, np.int16),
    "float8_e4m3fn": (torch.float8_e4m3fn, np.int8),
    "float8_e5m2": (torch.float8_e5m2, np.int8),
}

# ONNX's numbers for the types that torch computes with.
DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    4: torch.uint16,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    12: torch.uint32,
    13: torch.uint64,
    16: torch.bfloat16,
    17: torch.float8_e4m3fn,
    19: torch.float8_e5m2,
}


def to_torch(array: NDArray[Any]) -> Tensor:
    """A tensor of its own with the array's numbers; raises TypeError for a type that torch has not."""
    if array.dtype.name in _CARRIED:
        dtype, carrier = _CARRIED[array.dtype.name]
        return torch.from_numpy(np.array(array.view(carrier))).view(dtype)
    return torch.from_numpy(np.array(array))


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """The numbers of a tensor, bfloat16 as float32, which holds them exactly."""
    plain = tensor.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()

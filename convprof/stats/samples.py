"""A sample: one or more finite numbers in the order they were taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Sample:
    """A read-only float64 copy of `values`; raises ValueError unless they are 1-D, not empty and finite."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[float] | NDArray[Any]) -> None:
        copied: Array = np.array(values, dtype=np.float64)
        if copied.ndim != 1 or copied.size == 0:
            raise ValueError(f"a sample is a list of one or more numbers, not an array of shape {copied.shape}")
        if not np.isfinite(copied).all():
            raise ValueError("a sample holds finite numbers only")
        copied.setflags(write=False)
        self.values = copied

    def __len__(self) -> int:
        return int(self.values.size)

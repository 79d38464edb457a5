"""A column: one array of the data, samples on axis 0, of which rows are read when they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Indices = NDArray[np.int64]


class Column(Protocol):
    """One array of the data."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, samples on axis 0."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its type as it is stored."""

    def rows(self, start: int, stop: int) -> Array:
        """The samples [start, stop), as they are stored; raises DataError where they cannot be read."""


@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """An array in memory, or mapped into it."""

    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the array."""
        return self.array.dtype

    def rows(self, start: int, stop: int) -> Array:
        """A view of the samples [start, stop)."""
        return self.array[start:stop]


def picked(column: Column, indices: Indices) -> Array:
    """The samples of those numbers in that order, as they are stored; raises DataError where they cannot be read."""
    if isinstance(column, ArrayColumn):
        return column.array[indices]
    return np.concatenate([column.rows(index, index + 1) for index in indices.tolist()])

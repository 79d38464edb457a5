"""Values of walks, held in memory as far as a budget allows and in files beyond it.

What no longer fits when it comes goes to a file; what is in memory stays there. Walks pass over their values from the
first to the last again and again, and for that no order of eviction is better.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from convprof.errors import OutputError

Array = NDArray[Any]
DEFAULT_BUDGET = 4 << 30
"""Bytes."""


@dataclass(eq=False)
class Held:
    """One array, in memory or in the file at `path`, until the last of its owners drops it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    array: Array | None
    path: Path | None
    owners: int = 1

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in memory, bytes."""
        return prod(self.shape) * self.dtype.itemsize


class Store:
    """Arrays of which at most `budget` bytes lie in memory (None: all of them), the others in files.

    Files hold the bare bytes, each array in its own type, so that what is read back is what was put in. They lie in a
    folder of their own in `folder` (by default the system's for temporary files), which `close` removes.
    """

    def __init__(self, budget: int | None = None, folder: Path | None = None) -> None:
        """Nothing is written before something does not fit."""
        self._budget = budget
        self._folder = folder
        self._files: tempfile.TemporaryDirectory[str] | None = None
        self._written = 0
        self.in_memory = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files; what is still held in them is lost."""
        if self._files is not None:
            self._files.cleanup()
            self._files = None

    def put(self, value: Array | Held) -> Held:
        """Hold an array, or what is held already for one owner more.

        Raises OutputError where a file is needed and cannot be written.
        """
        if isinstance(value, Held):
            value.owners += 1
            return value
        # Strings are objects of Python, which have no bytes to write.
        if self._budget is None or self.in_memory + value.nbytes <= self._budget or value.dtype.hasobject:
            self.in_memory += value.nbytes
            return Held(value.dtype, value.shape, value, None)
        return Held(value.dtype, value.shape, None, self._write(value))

    def get(self, held: Held) -> Array:
        """The array."""
        if held.array is not None:
            return held.array
        if held.path is None:
            raise ValueError("this value was dropped")
        return np.fromfile(held.path, held.dtype).reshape(held.shape)

    def drop(self, held: Held) -> None:
        """One owner less; without any the array is gone."""
        held.owners -= 1
        if held.owners > 0:
            return
        if held.array is not None:
            self.in_memory -= held.nbytes
            held.array = None
        if held.path is not None:
            held.path.unlink()
            held.path = None

    def _write(self, array: Array) -> Path:
        try:
            if self._files is None:
                self._files = tempfile.TemporaryDirectory(prefix=".convprof-values-", dir=self._folder)
            self._written += 1
            path = Path(self._files.name, str(self._written))
            array.tofile(path)
        except OSError as error:
            what = str(self._folder or tempfile.gettempdir())
            why = f"the values of the walk do not fit there: {error.strerror or error}"
            raise OutputError(what, why, "free some space, give fewer inputs, or allow more --memory") from error
        return path

"""Where a run stands, on disk: enough to go on from there as if it had never stopped.

One file beside the output, written whole or not at all. What a file holds is read without running anything from it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from convprof.errors import DataError, OutputError, UsageError
from convprof.files import staged
from convprof.records.tuning import CurvePoint, TunedStage, WayTime

_START_OVER = "leave out --resume to start again"


class Position(msgspec.Struct, kw_only=True):
    """Where a stage stands: all that is not a tensor.

    `steps` of the stage are planned and `step` are done, the learning rate runs from `since` on; `far` counts held-out
    measures in a row that were far worse than at the start.
    """

    step: int = 0
    steps: int = 0
    interval: int = 1
    since: int = 0
    learning_rate: float = 0.0
    rollbacks: int = 0
    far: int = 0
    seconds: float = 0.0
    before: float = 0.0
    best: float = 0.0
    kept: int = 0
    averaged: int = 0
    losses: float = 0.0
    counted: int = 0
    curve: list[CurvePoint] = []


class Progressed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands in the file beside the tensors: `key` says what the run depends on."""

    key: dict[str, str]
    times: tuple[WayTime, ...] = ()
    stages: tuple[TunedStage, ...] = ()
    position: Position | None = None


Tensors = dict[str, Any]
"""Nested dicts of tensors and numbers, as torch's state_dicts are."""


class Kept:
    """The file of a run, or none where `path` is None; `key` is everything that decides what the run computes."""

    def __init__(self, path: Path | None, key: dict[str, str], resume: bool) -> None:
        """With `resume` read what is there, else forget it. Raises UsageError where that is another run's."""
        self._path = path
        self.progressed = Progressed(key=key)
        self.tensors: Tensors = {}
        if path is None:
            return
        if path.exists() and not path.is_file():
            raise OutputError(str(path), "it is there already and is not a file", "choose another output")
        if resume and path.exists():
            self._read(path, key)
        elif not resume:
            self.discard()

    def write(self, tensors: Tensors) -> None:
        """Keep where the run stands; raises OutputError where that cannot be done."""
        self.tensors = tensors
        if self._path is None:
            return
        text = msgspec.json.encode(self.progressed).decode()
        with staged(self._path.parent) as folder:
            try:
                torch.save({"progressed": text, "tensors": tensors}, folder / self._path.name)
            except (OSError, RuntimeError) as error:
                raise OutputError(str(self._path), str(error), "free some space there") from error

    def discard(self) -> None:
        """Remove the file."""
        if self._path is None:
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(str(self._path), error.strerror or str(error), "remove it yourself") from error

    def _read(self, path: Path, key: dict[str, str]) -> None:
        try:
            found = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
            self.progressed = msgspec.json.decode(found["progressed"], type=Progressed)
            self.tensors = dict(found["tensors"])
        # A damaged file makes torch raise nearly anything.
        except Exception as error:
            why = f"it cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            raise DataError(str(path), why, _START_OVER) from error
        others = sorted(name for name in key if self.progressed.key.get(name) != key[name])
        if others:
            raise UsageError("--resume", f"{path} was left by a run with another {', '.join(others)}", _START_OVER)


def same(tensors: dict[str, Tensor], shapes: dict[str, Tensor]) -> bool:
    """Whether two states hold tensors of the same names, shapes and types."""
    return {name: (each.shape, each.dtype) for name, each in tensors.items()} == {
        name: (each.shape, each.dtype) for name, each in shapes.items()
    }

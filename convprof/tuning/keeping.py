"""Where a run stands, on disk: enough to go on from there as if it had never stopped.

One file beside the output, written whole or not at all. Reading it runs nothing that it holds.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import msgspec
import torch

from convprof.errors import DataError, OutputError, UsageError
from convprof.files import staged
from convprof.records.run import StageScore
from convprof.records.tuning import CurvePoint, TunedStage, WayTime

START_OVER = "leave out --resume to start again"
Count = Annotated[int, msgspec.Meta(ge=0)]
Tensors = dict[str, Any]
"""Nested dicts of tensors and numbers, as torch's state_dicts are."""


class Position(msgspec.Struct, kw_only=True):
    """Where a stage stands: all that is not a tensor.

    Of `steps` that are planned `step` are done; after every `interval` the held-out part is looked at. The learning
    rate runs from `since` on; `far` counts looks in a row that found the run far off. The best weights were reached
    after `kept` steps, and `averaged` are in the averaged ones. `losses` sums up those of `counted` steps.
    """

    step: Count = 0
    steps: Annotated[int, msgspec.Meta(ge=1)] = 1
    interval: Annotated[int, msgspec.Meta(ge=1)] = 1
    since: Count = 0
    learning_rate: float = 0.0
    rollbacks: Count = 0
    far: Count = 0
    seconds: float = 0.0
    before: float = 0.0
    best: float = 0.0
    kept: Count = 0
    averaged: Count = 0
    losses: float = 0.0
    counted: Count = 0
    curve: list[CurvePoint] = []


class Standing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands in the file beside the tensors.

    `key` says what the run depends on. `methods` were finished; `stages` are all that were finished, of which the last
    `within` belong to the method that was not; `position` is that of the stage that was not.
    `remembers` says whether the teacher's answers are remembered; None where that is not decided.
    `scores` are of the finished methods, where whoever runs them compares their results.
    """

    key: dict[str, str]
    times: tuple[WayTime, ...] = ()
    remembers: bool | None = None
    methods: Count = 0
    within: Count = 0
    stages: tuple[TunedStage, ...] = ()
    scores: tuple[StageScore, ...] = ()
    position: Position | None = None


class Kept:
    """The file of a run; `key` is everything that decides what the run computes.

    As a context: whatever ends the work leaves the file, with a note on how to go on; work that ends well removes it.
    """

    def __init__(self, path: Path, key: dict[str, str], resume: bool, ours: bool = True) -> None:
        """Forget what is there, or with `resume` read it; where it is not `ours` leave it to the first process.

        Raises UsageError where that is another run's, DataError where it cannot be read, OutputError where it cannot be
        removed or is no file.
        """
        self._path, self._ours = path, ours
        self.standing = Standing(key=key)
        self.tensors: Tensors = {}
        if not ours:
            return
        if path.exists() and not path.is_file():
            raise OutputError(str(path), "it is there already and is not a file", "choose another output")
        if not resume:
            self.discard()
        elif path.exists():
            self._read(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._ours:
            return
        if error is None:
            self.discard()
        elif self._path.is_file():
            error.add_note(f"where it stood is kept in {self._path}: the same command with --resume goes on from there")

    def write(self, tensors: Tensors) -> None:
        """Keep where the run stands; raises OutputError where that cannot be done."""
        self.tensors = tensors
        if not self._ours:
            return
        text = msgspec.json.encode(self.standing).decode()
        with staged(self._path.parent) as folder:
            try:
                torch.save({"standing": text, "tensors": tensors}, folder / self._path.name)
            except (OSError, RuntimeError) as error:
                raise OutputError(str(self._path), str(error), "free some space there") from error

    def discard(self) -> None:
        """Remove the file."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(str(self._path), error.strerror or str(error), "remove it yourself") from error

    def damaged(self, error: Exception) -> DataError:
        """The refusal of a file that `error` was raised over."""
        why = f"it cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        return DataError(str(self._path), why, START_OVER)

    def _read(self, key: dict[str, str]) -> None:
        try:
            found = torch.load(io.BytesIO(self._path.read_bytes()), map_location="cpu", weights_only=True)
            self.standing = msgspec.json.decode(found["standing"], type=Standing)
            self.tensors = dict(found["tensors"])
        except Exception as error:  # a damaged file makes torch raise nearly anything
            raise self.damaged(error) from error
        others = [name for name in key if self.standing.key.get(name) != key[name]]
        if others:
            raise UsageError("--resume", f"{self._path} was left by a run with another {', '.join(others)}", START_OVER)

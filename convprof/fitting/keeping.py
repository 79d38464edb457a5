"""Fitted layers on disk: written one by one as they come, so that a fit that was cut short can go on.

They lie in a folder of their own: `key.json`, which says what they were fitted to, and `00001.npz`, `00002.npz`, ...,
numbered as the layers are. Each file appears whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from convprof.data.arrays import read_npz
from convprof.errors import DataError, OutputError, UsageError
from convprof.files import read_record, staged, write_text
from convprof.forms import PLANNABLE
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, FittedConv, Recipe
from convprof.records.files import encode
from convprof.records.fit import FitKey
from convprof.records.plan import PlannedLayer
from convprof.records.remarks import Remark

KEY = "key.json"
_LAYER = re.compile(r"\d{5,}\.npz")
_START_OVER = "leave out --resume to fit from the start"
_WORDS = {
    "convprof": "another version of convprof",
    "libraries": "other libraries or another processor",
    "model": "another model",
    "weights": "other weights",
    "inputs": "other input shapes",
    "layers": "another plan",
    "data": "other data",
    "seed": "another seed",
    "budget": "another budget",
    "threads": "another number of threads",
    "providers": "other providers",
    "inter_op_threads": "another number of threads between operators",
    "graph_optimization": "another graph optimization",
    "session_options": "other session options",
}


@dataclass
class KeptLayers:
    """The layers kept in `folder` under `key`, without a key none; `taken` counts those that were read.

    As a context: whatever ends the work leaves them, with a note on how to go on; work that ends well removes them.
    """

    folder: Path
    key: FitKey | None
    taken: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        count = len(self._layers())
        if error is None or not count:
            self.discard()
        elif self.key:
            done = f"{count} of {len(self.key.layers)} fitted layers are kept in {self.folder}"
            error.add_note(f"{done}: the same command with --resume goes on from there")

    @property
    def notices(self) -> tuple[Remark, ...]:
        """What the user should know of layers that were taken from here."""
        if not self.key or not self.taken:
            return ()
        text = f"{self.taken} of {len(self.key.layers)} fitted layers were taken from a fit that had been cut short"
        return (Remark("resumed", text),)

    def check(self) -> None:
        """Whether what the folder holds, if anything, was fitted to the same; raises UsageError where it was not.

        Raises DataError where its key cannot be read.
        """
        if self.key is None:
            raise UsageError("--resume", "only layers fitted to data are kept, and these are not", "leave it out")
        if not (self.folder / KEY).exists():
            return
        found = _read_key(self.folder / KEY)
        others = [word for name, word in _WORDS.items() if getattr(found, name) != getattr(self.key, name)]
        if others:
            raise UsageError("--resume", f"{self.folder} was left by a fit with {', '.join(others)}", _START_OVER)

    def discard(self) -> None:
        """Remove the kept layers, and their folder unless somebody else has put something there."""
        if not self.folder.is_dir():
            return
        try:
            for path in (*self._layers(), self.folder / KEY):
                path.unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()
        except OSError as error:
            raise OutputError(str(self.folder), error.strerror or str(error), "remove it yourself") from error

    def write(self, number: int, layer: FittedConv) -> None:
        """Keep layer `number`; raises OutputError where that cannot be done."""
        if self.key is None:
            return
        arrays = {f"weight{at}": weight for at, weight in enumerate(layer.factors.weights)}
        if layer.factors.bias is not None:
            arrays["bias"] = layer.factors.bias
        recipe = layer.recipe
        findings = (layer.error, layer.error_weights, recipe.ridge, recipe.teacher_share, float(recipe.activated))
        found = np.array([np.nan if each is None else each for each in findings])
        if not (self.folder / KEY).exists():
            write_text(self.folder / KEY, encode(self.key))
        with staged(self.folder) as stage:
            try:
                np.savez(stage / f"{number:05}.npz", allow_pickle=False, findings=found, **arrays)
            except OSError as error:
                raise OutputError(str(self.folder), error.strerror or str(error), "free some space there") from error

    def read(self, number: int, layer: PlannedLayer, spec: ConvSpec) -> FittedConv | None:
        """Layer `number` if it is kept; raises DataError where the file is not what `write` writes."""
        path = self.folder / f"{number:05}.npz"
        if not (self.folder / KEY).exists() or not path.exists():
            return None
        chain = PLANNABLE[layer.form].chain(spec, layer.rank)
        shapes = {f"weight{at}": step.weight_shape for at, step in enumerate(chain)}
        arrays = _arrays(path, {**shapes, "findings": (5,)}, {"bias": (spec.out_channels,)})
        findings = (None if np.isnan(each) else float(each) for each in arrays["findings"])
        error, error_weights, ridge, share, activated = findings
        recipe = Recipe(ridge, share or 0.0, bool(activated))
        factors = Factors(tuple(arrays[name] for name in shapes), arrays.get("bias"))
        self.taken += 1
        return FittedConv(layer.name, layer.form, layer.rank, factors, error, error_weights, recipe)

    def _layers(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _LAYER.fullmatch(path.name))


def _read_key(path: Path) -> FitKey:
    try:
        return read_record(path, FitKey)
    except DataError as error:
        why = f"an earlier version of convprof left it, or it is damaged: {error.why}"
        raise DataError(error.what, why, _START_OVER) from error


def _arrays(
    path: Path, wanted: Mapping[str, tuple[int, ...]], allowed: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """The arrays of the file, all of those `wanted` and none but those `allowed` besides; only findings may be NaN."""
    columns = read_npz(path, None)
    found = {name: column.shape for name, column in columns.items()}
    if found not in (wanted, {**wanted, **allowed}) or any(each.dtype != np.float64 for each in columns.values()):
        raise DataError(str(path), "it does not hold the layer that the plan has there", _START_OVER)
    arrays = {name: column.rows(0, column.shape[0]) for name, column in columns.items()}
    if not all(np.isfinite(array).all() for name, array in arrays.items() if name != "findings"):
        raise DataError(str(path), "it holds NaN or infinity", _START_OVER)
    return arrays

"""Files that appear whole or not at all, and records read back from them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from convprof.errors import DataError, OutputError
from convprof.records.files import decode

T = TypeVar("T")
_LARGEST_RECORD = 1 << 28


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` when the block ends well, and vanish when it does not.

    `folder` is made if need be. Raises OutputError where it cannot be made or written.
    """
    made: list[Path] = []
    try:
        with _blaming(folder):
            made += [place for place in (folder, *folder.parents) if not place.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            stage = tempfile.TemporaryDirectory(prefix=".convprof-", dir=folder)
        with stage as name:
            yield Path(name)
            with _blaming(folder):
                _move(sorted(Path(name).iterdir()), folder)
    finally:
        for place in made:
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def keep_apart(output: Path, models: Iterable[Path]) -> None:
    """Refuse to write over a folder or a model that is being read; raises OutputError."""
    with _blaming(output):
        if output.is_dir():
            raise OutputError(str(output), "it is a folder", "choose the name of a file")
        if any(output.exists() and model.exists() and output.samefile(model) for model in models):
            raise OutputError(str(output), "this is the model being read", "choose another output path")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` whole or not at all; raises OutputError where that cannot be done."""
    keep_apart(path, ())
    encoded = text.encode(errors="backslashreplace")
    with _blaming(path):
        if path.exists() and not path.is_file():
            path.write_bytes(encoded)  # a pipe or a device must stay what it is
            return
    with staged(path.parent) as folder, _blaming(path):
        (folder / path.name).write_bytes(encoded)


def read_record(path: Path, kind: type[T]) -> T:
    """Read the JSON file at `path` as a record; raises DataError that names the file and the field at fault."""
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            raise DataError(str(path), "larger than any file that convprof writes", "check the path")
        text = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), error.strerror or str(error), "check the path") from error
    return decode(text, kind, str(path))


@contextmanager
def _blaming(place: Path) -> Iterator[None]:
    """Say of failures that `place` cannot be written."""
    try:
        yield
    except OSError as error:
        raise OutputError(str(place), error.strerror or str(error), "choose a place that can be written") from error


def _move(parts: Sequence[Path], folder: Path) -> None:
    """Move files into `folder`, over files of the same name but over nothing else."""
    for part in parts:
        target = folder / part.name
        if target.exists() and not target.is_file():
            raise OutputError(str(target), "it is there already and is not a file", "choose another place")
    for part in parts:
        part.replace(folder / part.name)

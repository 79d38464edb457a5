"""Files that appear whole or not at all, and records read back from them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
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
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".convprof-", dir=folder) as name:
            yield Path(name)
            for part in sorted(Path(name).iterdir()):
                part.replace(folder / part.name)
    except OSError as error:
        raise OutputError(str(folder), error.strerror or str(error), "choose a folder that can be written") from error
    finally:
        if not existed and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` whole or not at all; raises OutputError where that cannot be done."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(str(path), error.strerror or str(error), "choose a place that can be written") from error


def read_record(path: Path, kind: type[T]) -> T:
    """Read the JSON file at `path` as a record; raises DataError that names the file and the field at fault."""
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            raise DataError(str(path), "larger than any file that convprof writes", "check the path")
        text = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), error.strerror or str(error), "check the path") from error
    return decode(text, kind, str(path))

"""Columns from .npy and .npz files: nothing is unpickled, and nothing is read that nobody asked for."""

from __future__ import annotations

import math
import struct
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from convprof.data.columns import Array, ArrayColumn, Column
from convprof.errors import DataError

CHUNK = 1 << 24
"""Bytes unpacked at a time."""
LARGE = 1 << 30
"""Bytes from which an array that lies in its archive as it is, which is how numpy.savez writes it, is mapped into
memory. That compares no checksum."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_MARK = b"PK\x03\x04"


@dataclass(frozen=True)
class Header:
    """What an array's .npy header says."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]


@dataclass(frozen=True, eq=False)
class NpzColumn:
    """One array of an .npz file, read on first use; `wanted` is how many of its samples will be asked for."""

    path: Path
    name: str
    header: Header
    wanted: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the array."""
        return self.header.dtype

    def rows(self, start: int, stop: int) -> Array:
        """The samples [start, stop), for stop <= wanted."""
        return self._array[start:stop]

    @cached_property
    def _array(self) -> Array:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.name}.npy") as stream:
                if _read_header(stream) != self.header:
                    raise ValueError("it changed while it was in use")
                info = archive.getinfo(f"{self.name}.npy")
                if info.compress_type == zipfile.ZIP_STORED and info.file_size >= LARGE:
                    return _mapped(self.path, info, self.header)
                return _read_rows(stream, self.header, self.wanted)
        # Damaged archives and headers raise nearly anything: zlib.error, EOFError, struct.error, MemoryError ...
        except Exception as error:
            why = f"array {self.name!r} cannot be read: {_reason(error)}"
            raise DataError(str(self.path), why, "write the file again with numpy.savez") from error


def read_npz(path: Path, limit: int | None) -> dict[str, Column]:
    """A column for each array of the .npz file; only headers are read yet.

    `limit` promises that no sample from there on will be asked for. Raises DataError for a file that is no .npz or is
    damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            headers = {info.filename.removesuffix(".npy"): _member_header(archive, info) for info in members}
    # As above: what a damaged file raises is not foreseeable.
    except Exception as error:
        why = f"not a readable .npz file: {_reason(error)}"
        raise DataError(str(path), why, "write it with numpy.savez(file, x=...)") from error
    return {name: NpzColumn(path, name, header, _wanted(header, limit)) for name, header in headers.items()}


def read_npy(path: Path) -> Column:
    """The array of a .npy file, mapped into memory; raises DataError for a file that is no .npy or is damaged."""
    try:
        return ArrayColumn(np.lib.format.open_memmap(path, mode="r"))
    # As above: what a damaged file raises is not foreseeable.
    except Exception as error:
        why = f"not a readable .npy file: {_reason(error)}"
        raise DataError(str(path), why, "write it with numpy.save(file, array)") from error


def _member_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
    with archive.open(info) as stream:
        header = _read_header(stream)
    # An array that claims more than its member holds would otherwise be allocated before it fails.
    if not header.dtype.hasobject and math.prod(header.shape) * header.dtype.itemsize > info.file_size:
        raise ValueError(f"{info.filename} is shorter than its header says")
    return header


def _read_header(stream: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return Header(*np.lib.format.read_array_header_1_0(stream))
    if version == (2, 0):
        return Header(*np.lib.format.read_array_header_2_0(stream))
    raise ValueError(f"arrays of .npy version {version[0]}.{version[1]} are not numbers")


def _read_rows(stream: IO[bytes], header: Header, wanted: int) -> Array:
    """The first `wanted` samples, or all of them where the file has them interleaved."""
    count = header.shape[0] if header.fortran_order else wanted
    shape = (count, *header.shape[1:])
    buffer = memoryview(bytearray(math.prod(shape) * header.dtype.itemsize))
    for start in range(0, len(buffer), CHUNK):
        part = stream.read(min(CHUNK, len(buffer) - start))
        buffer[start : start + len(part)] = part
    if count == header.shape[0]:
        stream.read(1)  # at the end of the member zipfile compares its checksum
    flat = np.frombuffer(buffer, header.dtype)
    return flat.reshape(shape, order="F" if header.fortran_order else "C")


def _mapped(path: Path, info: zipfile.ZipInfo, header: Header) -> Array:
    """The array of a member that is stored as it is, where it lies in the file."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        mark, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if mark != _LOCAL_MARK:
            raise ValueError("its place in the archive is not what the archive says")
        file.seek(name + extra, 1)
        if _read_header(file) != header:
            raise ValueError("it changed while it was in use")
        order: Literal["F", "C"] = "F" if header.fortran_order else "C"
        return np.memmap(file, header.dtype, "r", file.tell(), header.shape, order)


def _wanted(header: Header, limit: int | None) -> int:
    count = header.shape[0] if header.shape else 0
    return count if limit is None else min(count, limit)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

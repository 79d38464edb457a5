"""PNG files of 8 bits a channel, as the W3C has them (third edition): written, and read with distrust.

A writer of this size costs less than a decoder as a dependency, and the reader's only question is whether a file is
what the writer would have written: four kinds of chunk, and pixels that unpack to just the size that the header says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LONGEST = 1024
"""Pixels of the longest side that `check` lets through."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _INDEXED = 0, 2, 3
_BYTES = {_GREY: 1, _RGB: 3, _INDEXED: 1}
_NONE, _SUB, _UP, _PAETH = 0, 1, 2, 4


def encode(pixels: Pixels, palette: Pixels | None = None) -> bytes:
    """The file of grey pixels (H, W), of RGB ones (H, W, 3), or of indices (H, W) into a `palette` (n, 3), n <= 256."""
    height, width = pixels.shape[:2]
    kind = _INDEXED if palette is not None else _RGB if pixels.ndim == 3 else _GREY
    rows = pixels.reshape(height, -1)
    packed = min((zlib.compress(each, 9) for each in _filtered(rows, _BYTES[kind])), key=len)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    colours = b"" if palette is None else _chunk(b"PLTE", palette.tobytes())
    return _SIGNATURE + _chunk(b"IHDR", header) + colours + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def check(data: bytes) -> tuple[int, int]:
    """Width and height of a file that could be `encode`'s, no side above LONGEST; raises ValueError for any other.

    No more is unpacked than the header promises, so that nothing small can turn out large in whoever draws it.
    """
    chunks = list(_chunks(data))
    names = [name for name, _ in chunks]
    if names not in ([b"IHDR", b"IDAT", b"IEND"], [b"IHDR", b"PLTE", b"IDAT", b"IEND"]) or len(chunks[0][1]) != 13:
        raise ValueError("its chunks are not those of a plain PNG file")
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    depth, kind, *others = rest
    if depth != 8 or kind not in _BYTES or (kind == _INDEXED) != (b"PLTE" in names) or others != [0, 0, 0]:
        raise ValueError("its header is not that of a plain PNG file of 8 bits")
    if not (0 < width <= LONGEST and 0 < height <= LONGEST):
        raise ValueError(f"it is {width}x{height}, and at most {LONGEST}x{LONGEST} is looked at")
    _check_pixels(chunks[-2][1], height * (1 + width * _BYTES[kind]))
    return width, height


def _check_pixels(packed: bytes, size: int) -> None:
    unpacker = zlib.decompressobj()
    try:
        found = len(unpacker.decompress(packed, size + 1))
    except zlib.error as error:
        raise ValueError("its pixels cannot be unpacked") from error
    if found != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError("its pixels do not fill just the size that its header says")


def _filtered(rows: Pixels, step: int) -> Iterator[bytes]:
    """The rows behind each filter, one for the whole picture; `step` bytes further left is the same channel."""
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    above = np.zeros_like(rows)
    above[1:] = rows[:-1]
    corner = np.zeros_like(rows)
    corner[1:, step:] = rows[:-1, :-step]
    guesses = {_NONE: np.zeros_like(rows), _SUB: left, _UP: above, _PAETH: _paeth(left, above, corner)}
    for number, guess in guesses.items():
        marks = np.full((len(rows), 1), number, np.uint8)
        yield np.hstack([marks, rows - guess]).tobytes()


def _paeth(left: Pixels, above: Pixels, corner: Pixels) -> Pixels:
    """Of the three neighbours the one nearest to left + above - corner, in this order where they tie."""
    a, b, c = (each.astype(np.int16) for each in (left, above, corner))
    guess = a + b - c
    far = [np.abs(guess - each) for each in (a, b, c)]
    first = (far[0] <= far[1]) & (far[0] <= far[2])
    return np.where(first, left, np.where(far[1] <= far[2], above, corner))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(_SIGNATURE):
        raise ValueError("it is no PNG file")
    at = len(_SIGNATURE)
    while at < len(data):
        head, name = data[at : at + 4], data[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(head)
        body = data[at + 8 : end]
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(name + body)):
            raise ValueError("a chunk of it is damaged")
        yield name, body
        at = end + 4

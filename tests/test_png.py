"""What is written is what a decoder reads, and nothing else passes the check."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from convprof import png

SIDES = st.integers(1, 9)
GREY = arrays(np.uint8, st.tuples(SIDES, SIDES))
RGB = arrays(np.uint8, st.tuples(SIDES, SIDES, st.just(3)))
PALETTE = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
SMOOTH = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
FILE = png.encode(SMOOTH)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def file(width: int, height: int, packed: bytes, *, depth: int = 8, kind: int = 0, more: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", header) + more + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@given(st.one_of(GREY, RGB))
def test_a_decoder_reads_the_same_pixels(pixels: png.Pixels) -> None:
    made = png.encode(pixels)
    assert png.check(made) == (pixels.shape[1], pixels.shape[0])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(made))), pixels)


@given(GREY)
def test_a_decoder_reads_the_colours_of_a_palette(places: png.Pixels) -> None:
    made = png.encode(places, PALETTE)
    assert png.check(made) == (places.shape[1], places.shape[0])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(made)).convert("RGB")), PALETTE[places])


def test_what_is_smooth_is_small() -> None:
    assert len(FILE) < SMOOTH.size / 8


ROWS = zlib.compress(bytes(2 * 3))
HOSTILE = {
    "nothing": b"",
    "markup": b"<svg onload=alert(1)>",
    "cut short": FILE[:-6],
    "only a signature": FILE[:8],
    "a chunk more": file(2, 2, ROWS, more=chunk(b"tEXt", b"Comment\0<script>")),
    "something behind the end": FILE + b"<script>",
    "other depth": file(2, 2, ROWS, depth=16),
    "a palette where there is none": file(2, 2, ROWS, kind=3),
    "too wide": file(png.LONGEST + 1, 1, zlib.compress(bytes(png.LONGEST + 2))),
    "no pixels": file(0, 0, ROWS),
    "unpacks to more": file(2, 2, zlib.compress(bytes(1 << 24))),
    "unpacks to less": file(2, 3, ROWS),
    "does not unpack": file(2, 2, b"not zlib"),
    "more behind what unpacks": file(2, 2, ROWS + b"more"),
    "a length beyond the file": FILE[:8] + b"\xff\xff\xff\xff" + FILE[12:],
}


def test_a_plain_file_passes() -> None:
    assert png.check(file(2, 2, ROWS)) == (2, 2)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_plain_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^it|^a chunk"):
        png.check(HOSTILE[name])


@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_any_damage_is_seen(place: int, change: int) -> None:
    damaged = bytearray(FILE)
    damaged[place] ^= change
    with pytest.raises(ValueError, match=r"^it|^a chunk"):
        png.check(bytes(damaged))

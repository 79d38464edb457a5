"""Reads an ONNX file without its weights: a walk over the protobuf wire format that skips every large payload.

`skeleton` copies the file's messages but replaces the payload of each large tensor by an external reference (offset and
length) into the very file it stands in. The weights are read when they are asked for, one tensor at a time, so that
opening a model costs memory for its graph only. Wire format: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_LARGE = 4096
_WINDOW = 1 << 15
_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Field numbers of onnx.proto: which fields of a message hold messages that may hold tensors.
_TENSOR = "tensor"
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: _TENSOR},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph"},
}
_DATA_TYPE, _FLOAT_DATA, _RAW_DATA, _DOUBLE_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 2, 4, 9, 10, 13, 14
_FLOAT, _DOUBLE = 1, 11
# Packed little-endian floats are stored exactly as raw_data is.
_PAYLOADS = {_RAW_DATA: None, _FLOAT_DATA: _FLOAT, _DOUBLE_DATA: _DOUBLE}


class WireError(ValueError):
    """The bytes are not a protobuf message."""


def skeleton(path: Path, location: str) -> bytes:
    """The model at `path` as bytes of a ModelProto, large tensors referring to `location` with offset and length.

    Raises WireError where the bytes do not parse and OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        return b"".join(_message(_View(file), 0, path.stat().st_size, "model", location.encode(), 0))


class _View:
    """The bytes of a file through one small window: what is skipped is neither read nor mapped."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begin = 0
        self._window = b""

    def byte(self, position: int) -> int:
        """The byte at `position`."""
        offset = position - self._begin
        if not 0 <= offset < len(self._window):
            self._begin, self._window, offset = position, self._read(position, _WINDOW), 0
        if not self._window:
            raise WireError(f"the file ends at byte {position}")
        return self._window[offset]

    def cut(self, begin: int, end: int) -> bytes:
        """The bytes from `begin` to before `end`."""
        offset = begin - self._begin
        if offset >= 0 and end - self._begin <= len(self._window):
            return self._window[offset : end - self._begin]
        data = self._read(begin, end - begin)
        if len(data) < end - begin:
            raise WireError(f"the file ends at byte {begin + len(data)}")
        return data

    def _read(self, position: int, length: int) -> bytes:
        self._file.seek(position)
        return self._file.read(length)


def _message(view: _View, begin: int, end: int, kind: str, location: bytes, depth: int) -> Iterator[bytes]:
    """Copy one message, its large children through this same function."""
    if depth > _DEPTH:
        raise WireError("messages are nested too deeply")
    if kind == _TENSOR:
        yield from _tensor(view, begin, end, location)
        return
    children = _CHILDREN[kind]
    for number, wire_type, start, value, stop in _fields(view, begin, end):
        if wire_type != _BYTES or number not in children or stop - value <= _LARGE:
            yield view.cut(start, stop)
            continue
        child = b"".join(_message(view, value, stop, children[number], location, depth + 1))
        yield _tagged(number, child)


def _tensor(view: _View, begin: int, end: int, location: bytes) -> Iterator[bytes]:
    """Copy a TensorProto, its payload replaced by a reference if it is large and not a reference already."""
    fields = list(_fields(view, begin, end))
    data_type = next((_varint(view, value, stop)[0] for n, _, _, value, stop in fields if n == _DATA_TYPE), 0)
    external = any(n == _DATA_LOCATION and _varint(view, value, stop)[0] == 1 for n, _, _, value, stop in fields)
    payload = [f for f in fields if f[1] == _BYTES and _PAYLOADS.get(f[0], 0) in (None, data_type)]
    if external or len(payload) != 1 or payload[0][4] - payload[0][3] <= _LARGE:
        yield view.cut(begin, end)
        return
    for field in fields:
        if field is not payload[0]:
            yield view.cut(field[2], field[4])
    _, _, _, value, stop = payload[0]
    for key, text in ((b"location", location), (b"offset", b"%d" % value), (b"length", b"%d" % (stop - value))):
        yield _tagged(_EXTERNAL_DATA, _tagged(1, key) + _tagged(2, text))
    yield bytes([_DATA_LOCATION << 3 | _VARINT, 1])


def _fields(view: _View, begin: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(number, wire type, start of the tag, start of the value, end) of each field between begin and end."""
    position = begin
    while position < end:
        start = position
        tag, position = _varint(view, position, end)
        number, wire_type = tag >> 3, tag & 7
        value = position
        if wire_type == _VARINT:
            _, position = _varint(view, position, end)
        elif wire_type == _BYTES:
            length, value = _varint(view, position, end)
            position = value + length
        elif wire_type in (_FIXED64, _FIXED32):
            position += 8 if wire_type == _FIXED64 else 4
        else:
            raise WireError(f"unknown wire type {wire_type} at byte {start}")
        if position > end or number == 0:
            raise WireError(f"a field at byte {start} reaches past the end of its message")
        yield number, wire_type, start, value, position


def _varint(view: _View, position: int, end: int) -> tuple[int, int]:
    """The base-128 number at `position` and the position after it."""
    value = shift = 0
    while position < end and shift < 70:
        byte = view.byte(position)
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise WireError(f"a number at byte {position} does not end")


def _tagged(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return _encoded(number << 3 | _BYTES) + _encoded(len(payload)) + payload


def _encoded(value: int) -> bytes:
    """Write `value` as a base-128 number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

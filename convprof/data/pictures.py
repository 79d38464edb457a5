"""A column of picture files: decoded with Pillow when their rows are asked for, never before."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convprof.data.columns import Array, ArrayColumn, Column
from convprof.data.pixels import model_channels, model_layout
from convprof.data.preprocess import Preprocess
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
"""What the suffixes stand for: Pillow's other decoders (EPS starts a program) are not offered a file."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's mode for pictures of so many channels."""
DEEP = ("I", "F")
"""How Pillow's modes of more than 8 bits a channel begin."""


@dataclass(frozen=True, eq=False)
class PictureColumn:
    """Picture files as uint8 (pictures, height, width, channels)."""

    paths: tuple[Path, ...]
    size: tuple[int, int]
    channels: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(pictures, height, width, channels)."""
        return (len(self.paths), *self.size, self.channels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def rows(self, start: int, stop: int) -> Array:
        """The pictures [start, stop), decoded now; raises DataError that names the file."""
        return np.stack([_decode(path, self.size, self.channels) for path in self.paths[start:stop]])


def read_folder(folder: Path, spec: TensorSpec, preprocess: Preprocess, limit: int | None) -> dict[str, Column]:
    """The pictures of a folder as `x`, and where all of them stand in class subfolders, their classes as `folders`.

    Grey pictures become RGB for a model of 3 channels, colours become luminance (ITU-R 601) for one of 1. Only the
    first `limit` pictures are checked for being of one size. Raises DataError for a folder without pictures, pictures
    of several sizes where no size is known, and a missing Pillow.
    """
    try:
        paths, classes = _list_pictures(folder)
    except OSError as error:
        raise DataError(str(folder), f"cannot be listed: {error.strerror}", "check its permissions") from error
    if not paths:
        why = "holds no pictures, nor do its subfolders"
        raise DataError(str(folder), why, f"put pictures there ({' '.join(SUFFIXES)})")
    layout = model_layout(spec.shape, preprocess.layout)
    channels = model_channels(spec.shape, layout) or 3
    if channels not in MODES:
        why = f"input {spec.name!r} has {channels} channels, picture files give 1 or 3"
        raise DataError(str(folder), why, "add layout=nhwc or layout=nchw to --preprocess, or store arrays in a .npz")
    size = preprocess.size or _model_size(spec, layout == "nhwc") or _common_size(paths[:limit], folder)
    columns: dict[str, Column] = {"x": PictureColumn(tuple(paths), size, channels)}
    if None not in classes:
        columns["folders"] = ArrayColumn(np.array(classes, np.int64))
    return columns


def _list_pictures(folder: Path) -> tuple[list[Path], list[int | None]]:
    """All pictures in order, those in the folder itself first, and the class of each."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    groups: list[tuple[int | None, list[Path]]] = [(None, entries)]
    subfolders = [entry for entry in entries if entry.is_dir()]
    groups += [(number, sorted(subfolder.iterdir())) for number, subfolder in enumerate(subfolders)]
    found = [(path, number) for number, group in groups for path in group if _is_picture(path)]
    return [path for path, _ in found], [number for _, number in found]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _model_size(spec: TensorSpec, channels_last: bool) -> tuple[int, int] | None:
    """(height, width) where the model has both fixed."""
    if spec.shape is None or len(spec.shape) != 4:
        return None
    height, width = spec.shape[1:3] if channels_last else spec.shape[2:4]
    return (height, width) if height and width else None


def _common_size(paths: list[Path], folder: Path) -> tuple[int, int]:
    """(height, width) that all pictures have."""
    size = _stored_size(paths[0])
    for path in paths[1:]:
        if _stored_size(path) != size:
            why = f"{paths[0].name} and {path.name} differ in size, and the model's size is open"
            raise DataError(str(folder), why, f"add size={size[0]}x{size[1]} to --preprocess, or the size you want")
    return size


def _stored_size(path: Path) -> tuple[int, int]:
    with _opened(path) as picture:
        return picture.height, picture.width


def _decode(path: Path, size: tuple[int, int], channels: int) -> Array:
    """uint8 (height, width, channels)."""
    with _opened(path) as picture:
        if picture.has_transparency_data:
            why = "has an alpha channel, which the model does not take"
            raise DataError(str(path), why, "flatten it, for example with `magick mogrify -alpha remove -alpha off`")
        if picture.mode.startswith(DEEP):
            why = f"has more than 8 bits a channel (Pillow's mode {picture.mode})"
            raise DataError(str(path), why, "store it with 8 bits a channel, or its numbers as float32 in a .npz")
        pixels = np.asarray(_cover(picture.convert(MODES[channels]), size))
    return pixels.reshape(*size, channels)


def _cover(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale until both sides are at least those of `size`, bilinear with antialias, and crop around the centre."""
    from PIL import Image

    height, width = size
    if (picture.height, picture.width) == size:
        return picture
    factor = max(height / picture.height, width / picture.width)
    scaled = (max(width, int(picture.width * factor)), max(height, int(picture.height * factor)))
    if scaled[0] * scaled[1] > (Image.MAX_IMAGE_PIXELS or math.inf):
        raise Image.DecompressionBombError
    left, top = round((scaled[0] - width) / 2), round((scaled[1] - height) / 2)
    return picture.resize(scaled, Image.Resampling.BILINEAR).crop((left, top, left + width, top + height))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, with whatever goes wrong inside the block as a DataError; Pillow's size guard is an error too."""
    try:
        from PIL import Image
    except ImportError as error:
        why = "reading picture files needs Pillow"
        raise DataError(str(path.parent), why, 'pip install "convprof[pictures]"') from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as picture:
                yield picture
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        why = f"is larger, or would be once scaled, than the {Image.MAX_IMAGE_PIXELS} pixels that Pillow's guard allows"
        raise DataError(str(path), why, "shrink it or take it out") from error
    # Broken pictures make Pillow's decoders raise nearly anything: OSError, SyntaxError, struct.error, MemoryError ...
    except Exception as error:
        why = f"cannot be decoded: {error or type(error).__name__}"
        raise DataError(str(path), why, "repair it or take it out") from error

"""Grey pictures as calibration and test data of networks that restore them; everything float32, 0..1, NCHW.

The pictures are Set68 (to calibrate on) and set12 (to judge on), single-channel files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pair = tuple[Floats, Floats]
"""What a network is given, and what it should answer, both (channels, height, width)."""
Degrade = Callable[[Floats, np.random.Generator], Pair]
"""From a clean picture (height, width) to a pair."""

NOISE = 25 / 255
_CROP = 64
_MARGIN = 7
_ESPCN_SIDE = 224


def read(folder: Path) -> list[Floats]:
    """The pictures of a folder, sorted by name."""
    from PIL import Image

    files = sorted(folder.glob("*.png"))
    if not files:
        raise SystemExit(f"no pictures in {folder}")
    return [np.asarray(Image.open(file).convert("L"), np.float32) / np.float32(255) for file in files]


def crops(pictures: Sequence[Floats], side: int, each: int, seed: int) -> list[Floats]:
    """`each` squares from every picture, at places drawn from `seed`; crop by crop through all the pictures."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(each):
        for picture in pictures:
            top, left = (int(random.integers(size - side + 1)) for size in picture.shape)
            found.append(picture[top : top + side, left : left + side])
    return found


def noisy(clean: Floats, random: np.random.Generator) -> Pair:
    """White noise for DnCNN."""
    noise = NOISE * random.standard_normal(clean.shape)
    return (clean + noise).astype(np.float32)[None], clean[None]


def doubled(clean: Floats, random: np.random.Generator) -> Pair:
    """Halved by averaging, doubled by repeating and padded by its edge, for waifu2x; grey three times for rgb."""
    small = shrunk(clean, 2)
    given = np.pad(small.repeat(2, axis=0).repeat(2, axis=1), _MARGIN, mode="edge")
    wanted = clean[: 2 * len(small), : 2 * small.shape[1]]
    return np.repeat(given[None], 3, axis=0), np.repeat(wanted[None], 3, axis=0)


def third(clean: Floats, random: np.random.Generator) -> Pair:
    """Reduced to a third by averaging, and mirrored to the size that ESPCN takes; only what was there is judged."""
    small = shrunk(clean, 3)[:_ESPCN_SIDE, :_ESPCN_SIDE]
    room = [(0, _ESPCN_SIDE - size) for size in small.shape]
    wanted = clean[: 3 * len(small), : 3 * small.shape[1]]
    return np.pad(small, room, mode="symmetric")[None], wanted[None]


def shrunk(picture: Floats, factor: int) -> Floats:
    """Means over squares of `factor` pixels; what fills no square is cut off."""
    height, width = (size // factor for size in picture.shape)
    squares = picture[: height * factor, : width * factor].reshape(height, factor, width, factor)
    small: Floats = squares.mean(axis=(1, 3), dtype=np.float32)
    return small


def calibration(data: Path, degrade: Degrade, side: int | None) -> Floats:
    """What the network is given for two squares of `side` of every picture of Set68, or for every whole picture."""
    pictures = read(data / "gray" / "Set68")
    clean = pictures if side is None else crops(pictures, side, 2, seed=1)
    random = np.random.default_rng(1)
    return np.stack([degrade(picture, random)[0] for picture in clean])


def tests(data: Path, degrade: Degrade, side: int) -> Pair:
    """Given and wanted for the pictures of set12 that are `side` pixels wide and high; noise is drawn in file order."""
    random = np.random.default_rng(0)
    pairs = [degrade(picture, random) for picture in read(data / "gray" / "set12") if picture.shape == (side, side)]
    return np.stack([given for given, _ in pairs]), np.stack([wanted for _, wanted in pairs])

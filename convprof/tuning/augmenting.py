"""Pictures moved, mirrored and recoloured at random, all of a batch at once: how is decided by seed and step alone.

Borders are zeros behind the preprocessing, that is black or mean pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NAMES = ("flip", "turn", "crop", "jitter")
"""`flip` mirrors left and right, `turn` up and down and along the diagonal, `crop` moves by up to an eighth of the
size, `jitter` changes contrast and the level of every channel."""
KEEPING = ("flip", "turn")
"""Those that leave a picture whole: what they did to an input can be done to a picture that is wanted of it."""
CHANNELS = (1, 3, 4)
_DRAWS = 2
_REACH = 8
_JITTER = 0.1


@dataclass(frozen=True)
class Pictures:
    """Which input holds pictures, (samples, channels, height, width) or with the channels at the end."""

    name: str
    channels_last: bool

    def mirrored(self, pictures: Tensor) -> Tensor:
        """Left and right exchanged."""
        return pictures.flip(-2 if self.channels_last else -1)


@dataclass(frozen=True)
class Augmentation:
    """Changes pictures in the ways called `names`."""

    names: tuple[str, ...]
    seed: int
    channels_last: bool = False

    def __call__(self, pictures: Tensor, step: int) -> Tensor:
        """The pictures as step `step` sees them: new pictures of the same shape."""
        if not self.names:
            return pictures
        random = np.random.default_rng([self.seed, _DRAWS, step])
        moved = self._moved(pictures.movedim(-1, 1) if self.channels_last else pictures, random)
        if "jitter" in self.names and moved.is_floating_point():
            moved = _recoloured(moved, random)
        return moved.movedim(1, -1) if self.channels_last else moved

    def _moved(self, pictures: Tensor, random: np.random.Generator) -> Tensor:
        """Each pixel of the result is one pixel of the input, or of the border: rows and columns are looked up."""
        count, _, height, width = pictures.shape
        left, up, over = (random.random(count) < 0.5 for _ in range(3))
        down, right = (random.integers(-(size // _REACH), size // _REACH + 1, count) for size in (height, width))
        moves = "crop" in self.names
        rows = _lines(height, down * moves, up & ("turn" in self.names))
        columns = _lines(width, right * moves, left & ("flip" in self.names))
        samples = torch.arange(count, device=pictures.device)[:, None, None]
        below, beside = (torch.from_numpy(np.maximum(each, 0)).to(pictures.device) for each in (rows, columns))
        made = pictures.permute(0, 2, 3, 1)[samples, below[:, :, None], beside[:, None, :]].permute(0, 3, 1, 2)
        if moves:
            inside = torch.from_numpy((rows >= 0)[:, None, :, None] & (columns >= 0)[:, None, None, :])
            made = made * inside.to(made)
        if "turn" in self.names and height == width:
            turned = torch.from_numpy(over).to(made.device)[:, None, None, None]
            made = torch.where(turned, made.transpose(2, 3), made)
        return made


def _lines(size: int, shift: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each sample which line of the picture stands at each place, -1 for the border: (samples, size)."""
    places = np.arange(size) + shift[:, None]
    places = np.where(mirrored[:, None], size - 1 - places, places)
    return np.where((places >= 0) & (places < size), places, -1)


def _recoloured(pictures: Tensor, random: np.random.Generator) -> Tensor:
    """Contrast and levels changed by up to `_JITTER`, levels in units of the batch's standard deviation."""
    count, channels = pictures.shape[:2]
    gain = torch.from_numpy(random.uniform(-_JITTER, _JITTER, (count, 1, 1, 1))).to(pictures)
    level = torch.from_numpy(random.uniform(-_JITTER, _JITTER, (count, channels, 1, 1))).to(pictures)
    return pictures * (1 + gain) + level * pictures.std()

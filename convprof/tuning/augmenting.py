"""Pictures moved, mirrored and recoloured at random, all of a batch at once: how is decided by seed, step and place.

Where a picture was moved its border is repeated: networks trained on whole pictures know no black or grey ones
(docs/decisions/0033-answers.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NAMES = ("flip", "turn", "crop", "jitter")
"""`flip` mirrors left and right, `turn` up and down and along the diagonal, `crop` moves by up to a sixteenth of the
size, `jitter` changes contrast and the level of every channel."""
KEEPING = ("flip", "turn")
"""Those that leave a picture whole: what they did to an input can be done to a picture that is wanted of it."""
CHANNELS = (1, 3, 4)
_DRAWS = 2
_REACH = 16
_ASIDE = 32
_JITTER = 0.1


@dataclass(frozen=True)
class Pictures:
    """Which input holds pictures, (samples, channels, height, width) or with the channels at the end."""

    name: str
    channels_last: bool

    @property
    def _axes(self) -> tuple[int, int]:
        """The axes of height and width."""
        return (1, 2) if self.channels_last else (2, 3)

    def mirrored(self, pictures: Tensor) -> Tensor:
        """Left and right exchanged, in the same order in memory."""
        return pictures.flip(self._axes[1])

    def aside(self, pictures: Tensor) -> Tensor:
        """Moved up and to the left by a 32nd of the size, a pixel at least, the border repeated."""
        for axis in self._axes:
            size = pictures.shape[axis]
            places = torch.arange(size, device=pictures.device) + max(1, size // _ASIDE)
            pictures = pictures.index_select(axis, places.clamp(max=size - 1))
        return pictures


@dataclass(frozen=True)
class _Draws:
    """Random numbers for the pictures `part` of a batch: drawn for the whole, so that they are each picture's own."""

    random: np.random.Generator
    part: slice
    whole: int

    def coins(self) -> NDArray[np.bool_]:
        """Heads or tails."""
        return (self.random.random(self.whole) < 0.5)[self.part]

    def steps(self, most: int) -> NDArray[np.int64]:
        """Whole numbers of at most that size, up or down."""
        return self.random.integers(-most, most + 1, self.whole)[self.part]

    def shares(self, most: float, channels: int) -> Tensor:
        """Numbers of at most that size for each channel, (pictures, channels, 1, 1)."""
        return torch.from_numpy(self.random.uniform(-most, most, (self.whole, channels, 1, 1))[self.part])


@dataclass(frozen=True)
class Augmentation:
    """Changes pictures in the ways called `names`."""

    names: tuple[str, ...]
    seed: int
    channels_last: bool = False

    def __call__(self, pictures: Tensor, step: int, before: int = 0, whole: int | None = None) -> Tensor:
        """The pictures as step `step` sees them, new ones of the same shape.

        They are those behind `before` others of a batch of `whole`, by default all of it.
        """
        if not self.names:
            return pictures
        part = slice(before, before + len(pictures))
        draws = _Draws(np.random.default_rng([self.seed, _DRAWS, step]), part, whole or len(pictures))
        moved = self._moved(pictures.movedim(-1, 1) if self.channels_last else pictures, draws)
        if "jitter" in self.names and moved.is_floating_point():
            moved = _recoloured(moved, draws)
        return moved.movedim(1, -1) if self.channels_last else moved

    def _moved(self, pictures: Tensor, draws: _Draws) -> Tensor:
        """Each pixel of the result is one pixel of the input: rows and columns are looked up."""
        count, _, height, width = pictures.shape
        left, up, over = (draws.coins() for _ in range(3))
        down, right = (draws.steps(size // _REACH) for size in (height, width))
        moves = "crop" in self.names
        rows = _lines(height, down * moves, up & ("turn" in self.names))
        columns = _lines(width, right * moves, left & ("flip" in self.names))
        samples = torch.arange(count, device=pictures.device)[:, None, None]
        below, beside = (torch.from_numpy(each).to(pictures.device) for each in (rows, columns))
        made = pictures.permute(0, 2, 3, 1)[samples, below[:, :, None], beside[:, None, :]].permute(0, 3, 1, 2)
        if "turn" in self.names and height == width:
            turned = torch.from_numpy(over).to(made.device)[:, None, None, None]
            made = torch.where(turned, made.transpose(2, 3), made)
        return made


def _lines(size: int, shift: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each sample which line of the picture stands at each place: (samples, size)."""
    places: NDArray[np.int64] = np.clip(np.arange(size) + shift[:, None], 0, size - 1)
    return np.where(mirrored[:, None], size - 1 - places, places)


def _recoloured(pictures: Tensor, draws: _Draws) -> Tensor:
    """Contrast and levels changed by up to `_JITTER`, levels in units of the picture's standard deviation."""
    gain = draws.shares(_JITTER, 1).to(pictures)
    level = draws.shares(_JITTER, pictures.shape[1]).to(pictures)
    return pictures * (1 + gain) + level * pictures.std((1, 2, 3), correction=0, keepdim=True)

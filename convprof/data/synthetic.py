"""Pictures drawn by `convprof.data.scenes` in the place of data that nobody has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convprof.data.batches import Batches
from convprof.data.columns import Array
from convprof.data.feeds import plan_feed
from convprof.data.pixels import CHANNEL_AXIS, model_layout
from convprof.data.preprocess import Layout, parse_preprocess
from convprof.data.scenes import draw
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec

SYNTHETIC = "synthetic"
"""What stands for these pictures where DATA is asked for; a folder of that name is `./synthetic`."""

PICTURES = 1024
PIXELS = 256 * 224 * 224
"""Large pictures are fewer than `PICTURES`: a walk over the model holds the values of all of them."""
FEWEST = 4
TYPES = ("float16", "float32", "float64", "uint8")
CHANNELS = (1, 3)
SMALLEST = 8
"""Height and width of the smallest input that is taken for a picture."""


@dataclass(frozen=True, eq=False)
class SyntheticColumn:
    """uint8 pictures (samples, height, width, channels); which one it is and the seed alone decide on a picture."""

    shape: tuple[int, int, int, int]
    seed: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def rows(self, start: int, stop: int) -> Array:
        """The pictures [start, stop), drawn now."""
        return np.stack([draw((self.seed, index), self.shape[1:]) for index in range(start, stop)])


def synthetic_batches(inputs: tuple[TensorSpec, ...], preprocess: str | None, seed: int) -> Batches:
    """Synthetic pictures for a model with these inputs, their sizes settled; every seed gives other pictures.

    1,024 of them, or fewer large ones, in multiples of the input's batch. Raises UsageError for a `preprocess` that
    cannot be understood, DataError for inputs that take no pictures or that it does not go with.
    """
    why = _refusal(inputs, preprocess)
    if why is not None:
        raise DataError(f"--calibration {SYNTHETIC}", why, "give inputs of the kind the model will see as .npz")
    (spec,) = inputs
    recipe = parse_preprocess(preprocess or assumed_preprocess(spec))
    batch, height, width, channels = _sizes(spec, recipe.layout)
    count = max(FEWEST, min(PICTURES, PIXELS // (height * width)))
    column = SyntheticColumn((-(-count // batch) * batch, height, width, channels), seed)
    return Batches(SYNTHETIC, column.shape[0], None, (plan_feed(spec, column, recipe, SYNTHETIC),))


def takes_pictures(inputs: tuple[TensorSpec, ...], preprocess: str | None) -> bool:
    """Whether a model with these inputs, their sizes settled, looks as if it took pictures."""
    return _refusal(inputs, preprocess) is None


def assumed_preprocess(spec: TensorSpec) -> str:
    """How pictures are fed where nobody says it: as they are to uint8, else at about zero mean and unit variance."""
    if spec.dtype == "uint8":
        return "raw"
    return "mean=0.45,std=0.22" if 1 in (spec.shape or ())[1:] else "imagenet"


def _refusal(inputs: tuple[TensorSpec, ...], preprocess: str | None) -> str | None:
    """Why the inputs are none for pictures."""
    if len(inputs) != 1:
        return f"the model has {len(inputs)} inputs ({', '.join(spec.name for spec in inputs)}), pictures are for one"
    spec = inputs[0]
    shown = f"input {spec.name!r} takes {spec.dtype} of shape {spec.shape}"
    if spec.shape is None or len(spec.shape) != 4:
        return f"{shown}, pictures have rank 4"
    if spec.dtype not in TYPES:
        return f"{shown}, pictures are of {' or '.join(TYPES)}"
    _, height, width, channels = _sizes(spec, None if preprocess is None else parse_preprocess(preprocess).layout)
    if channels not in CHANNELS:
        return f"{shown}, pictures have 1 or 3 channels"
    if min(height, width) < SMALLEST:
        return f"{shown}, pictures measure {SMALLEST}x{SMALLEST} or more"
    return None


def _sizes(spec: TensorSpec, layout: Layout | None) -> tuple[int, int, int, int]:
    """(batch, height, width, channels) of an input of rank 4."""
    sizes = [size or 1 for size in spec.shape or ()]
    channels = sizes.pop(CHANNEL_AXIS[model_layout(spec.shape, layout)])
    return sizes[0], sizes[1], sizes[2], channels

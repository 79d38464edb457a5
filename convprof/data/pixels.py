"""uint8 pictures to the numbers a model takes, by looking each pixel up: exact, and one pass over the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convprof.data.columns import Array
from convprof.data.preprocess import Layout, Preprocess
from convprof.errors import DataError

CHANNEL_AXIS: dict[Layout, int] = {"nchw": 1, "nhwc": 3}
PICTURE_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, eq=False)
class Pixels:
    """One way of turning uint8 pictures of rank 4 into values.

    `table` is (channels, 256): the value of each pixel of each channel of the data. Channel t of the result is channel
    `sources[t]` of the data; `data_axis` and `model_axis` are where the channels stand before and after.
    """

    table: Array
    sources: tuple[int, ...]
    data_axis: int
    model_axis: int

    @property
    def ends(self) -> tuple[Array, Array]:
        """What black and white become, (channels,) each, in the order of the result's channels."""
        channels = self.table[list(self.sources)]
        return channels[:, 0], channels[:, -1]

    @property
    def blue_first(self) -> bool:
        """Whether the result's three channels are blue, green and red."""
        return self.sources == (2, 1, 0)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the result for data of shape `shape`."""
        sizes = list(shape)
        sizes.insert(self.model_axis, sizes.pop(self.data_axis))
        return tuple(sizes)

    def apply(self, pictures: Array) -> Array:
        """The values of uint8 pictures of rank 4, as a new array of the table's type."""
        values = np.empty(self.shape(pictures.shape), self.table.dtype)
        before, after = np.moveaxis(pictures, self.data_axis, 0), np.moveaxis(values, self.model_axis, 0)
        for target, source in enumerate(self.sources):
            after[target] = self.table[source][before[source]]
        return values


def model_layout(shape: tuple[int | None, ...] | None, asked: Layout | None) -> Layout:
    """The layout of a model's picture input: the one asked for, else as its shape shows it, else nchw."""
    if asked is not None:
        return asked
    if shape is None or len(shape) != 4 or shape[1] in PICTURE_CHANNELS:
        return "nchw"
    return "nhwc" if shape[3] in PICTURE_CHANNELS else "nchw"


def model_channels(shape: tuple[int | None, ...] | None, layout: Layout) -> int | None:
    """How many channels a model's picture input has; None where its shape does not say."""
    return shape[CHANNEL_AXIS[layout]] if shape is not None and len(shape) == 4 else None


def data_layout(shape: tuple[int, ...], channels: int | None) -> Layout | None:
    """The layout of pictures of rank 4 for a model with so many channels: nhwc before nchw, None where neither fits."""
    fitting = PICTURE_CHANNELS if channels is None else (channels,)
    if shape[3] in fitting:
        return "nhwc"
    return "nchw" if shape[1] in fitting else None


def plan_pixels(
    preprocess: Preprocess, channels: int, layouts: tuple[Layout, Layout], dtype: np.dtype[Any], what: str
) -> Pixels:
    """The table for pictures of so many channels; `layouts` are the data's and the model's.

    Raises DataError where mean, std or order do not go with the channels, or the values do not go into `dtype`.
    """
    for key, values in (("mean", preprocess.mean), ("std", preprocess.std)):
        if len(values) not in (1, channels):
            why = f"--preprocess has {len(values)} values of {key}, the pictures have {_channels(channels)}"
            raise DataError(what, why, f"give one value of {key}, or one a channel")
    if preprocess.order == "bgr" and channels not in (1, 3):
        why = f"order=bgr does not go with pictures of {_channels(channels)}"
        raise DataError(what, why, "leave out order=bgr, it is for pictures of 3 channels")
    sources = range(channels) if preprocess.order == "rgb" else reversed(range(channels))
    data, model = layouts
    return Pixels(_table(preprocess, channels, dtype, what), tuple(sources), CHANNEL_AXIS[data], CHANNEL_AXIS[model])


def _table(preprocess: Preprocess, channels: int, dtype: np.dtype[Any], what: str) -> Array:
    """(channels, 256): computed in float64 and rounded once."""
    pixels = np.arange(256, dtype=np.float64)
    mean, std = (np.reshape(values, (-1, 1)) for values in (preprocess.mean, preprocess.std))
    with np.errstate(all="ignore"):
        values = np.broadcast_to((pixels / preprocess.scale - mean) / std, (channels, 256))
        if dtype.kind != "f" and not (np.array_equal(values[0], pixels) and np.can_cast(np.uint8, dtype)):
            why = f"the model takes {dtype}, which cannot hold preprocessed pixels"
            raise DataError(what, why, "--preprocess raw passes pixels on to a model that takes uint8")
        table = values.astype(dtype)
    if not np.isfinite(table).all():
        raise DataError(what, f"--preprocess gives values beyond {dtype}", "check its scale and std")
    return table


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"

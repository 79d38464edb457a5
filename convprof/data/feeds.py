"""What one input of the model is fed with: a column, made to fit the input or refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convprof.data.columns import Array, Column, Indices, picked
from convprof.data.pixels import Pixels, data_layout, model_channels, model_layout, plan_pixels
from convprof.data.preprocess import Preprocess
from convprof.errors import DataError
from convprof.records.analysis import TensorSpec

ADD_PREPROCESS = "add --preprocess unit if the network was trained on pixels / 255, or see convprof.data"


@dataclass(frozen=True, eq=False)
class Feed:
    """A column on its way into the input `name`: through `pixels` where it holds pictures, else cast to `dtype`."""

    what: str
    name: str
    column: Column
    dtype: np.dtype[Any]
    pixels: Pixels | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all that could be fed, samples on axis 0."""
        return self.column.shape if self.pixels is None else self.pixels.shape(self.column.shape)

    def read(self, start: int, stop: int) -> Array:
        """The samples [start, stop) as the model wants them, in a new array; raises DataError for NaN and Inf."""
        return self._made(self.column.rows(start, stop), range(start, stop))

    def pick(self, indices: Indices) -> Array:
        """The samples of those numbers in that order, as `read` gives them; only they are read."""
        return self._made(picked(self.column, indices), indices)

    def _made(self, rows: Array, numbers: Sequence[int] | Indices) -> Array:
        if self.pixels is not None:
            return self.pixels.apply(rows)
        with np.errstate(over="ignore"):
            values = np.array(rows, self.dtype, order="C")
        bad = first_not_finite(values)
        if bad is not None:
            why = f"sample {numbers[bad]} for input {self.name!r} holds NaN, Inf or a number beyond {self.dtype}"
            raise DataError(self.what, why, "repair it or leave the sample out")
        return values


def bind_inputs(
    columns: Mapping[str, Column], inputs: tuple[TensorSpec, ...], labels: str | None, what: str
) -> tuple[Column, ...]:
    """The column of each input; raises DataError where one is missing or sample counts differ."""
    missing = [spec.name for spec in inputs if spec.name not in columns]
    if not missing:
        return _counted({spec.name: columns[spec.name] for spec in inputs}, what)
    if len(inputs) == 1:
        others = [name for name in columns if name != labels]
        name = "x" if "x" in columns else others[0] if len(others) == 1 else None
        if name is not None:
            return _counted({name: columns[name]}, what)
    why = f"has no array for {_inputs(missing)}; arrays found: {', '.join(columns) or 'none'}"
    raise DataError(what, why, f"inputs wanted: {', '.join(spec.name for spec in inputs)}")


def plan_feed(spec: TensorSpec, column: Column, preprocess: Preprocess | None, what: str) -> Feed:
    """How `column` becomes what the input `spec` takes; raises DataError where rank, sizes or type do not fit."""
    dtype = _model_dtype(spec, what)
    pixels = None
    if is_pictures(column) and preprocess is not None:
        pixels = _plan_pictures(spec, column, preprocess, dtype, what)
    else:
        _check_dtype(spec, column, dtype, what)
    feed = Feed(what, spec.name, column, dtype, pixels)
    _check_shape(spec, feed, what)
    return feed


def is_pictures(column: Column) -> bool:
    """Whether a column is taken for pictures: uint8 of rank 4."""
    return column.dtype == np.uint8 and len(column.shape) == 4


def first_not_finite(values: Array) -> int | None:
    """Index of the first sample with a NaN or Inf in it; None where all is well or the type has neither."""
    if values.dtype.kind != "f":
        return None
    good = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return None if good.all() else int(np.argmin(good))


def _counted(columns: dict[str, Column], what: str) -> tuple[Column, ...]:
    for name, column in columns.items():
        if not column.shape:
            raise DataError(what, f"array {name!r} is a single number", "samples go on axis 0")
        if 0 in column.shape:
            raise DataError(what, f"array {name!r} is empty: {column.shape}", "samples go on axis 0")
    if len({column.shape[0] for column in columns.values()}) > 1:
        counts = ", ".join(f"{name} {column.shape[0]}" for name, column in columns.items())
        raise DataError(what, f"unequal sample counts: {counts}", "samples go on axis 0 of every array")
    return tuple(columns.values())


def _model_dtype(spec: TensorSpec, what: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind in "biuf":
        return dtype
    why = f"input {spec.name!r} takes {spec.dtype}, which arrays cannot hold"
    raise DataError(what, why, "convert the model to an input of float32")


def _plan_pictures(spec: TensorSpec, column: Column, preprocess: Preprocess, dtype: np.dtype[Any], what: str) -> Pixels:
    shape = column.shape
    if spec.shape is not None and len(spec.shape) != 4:
        raise _shape_refusal(spec, shape, what, "pictures go with inputs of rank 4")
    wanted = model_layout(spec.shape, preprocess.layout)
    channels = model_channels(spec.shape, wanted)
    found = data_layout(shape, channels)
    if found is None and shape[3] == 4:
        raise _shape_refusal(spec, shape, what, "drop the alpha channel: x[..., :3]")
    if found is None:
        remedy = "the last axis of the pictures, or axis 1, has the model's channels; check layout= in --preprocess"
        raise _shape_refusal(spec, shape, what, remedy)
    height_width = shape[1:3] if found == "nhwc" else shape[2:4]
    if preprocess.size not in (None, height_width):
        why = f"its pictures are {height_width[0]}x{height_width[1]}, and size= scales picture files only"
        raise DataError(what, why, "leave out size=, or store the pictures in the size you want")
    return plan_pixels(preprocess, shape[3] if found == "nhwc" else shape[1], (found, wanted), dtype, what)


def _check_dtype(spec: TensorSpec, column: Column, dtype: np.dtype[Any], what: str) -> None:
    """Whether numbers may be passed on: where no value changes, and from float64 to float32."""
    if column.dtype.hasobject:
        why = f"the array for input {spec.name!r} holds Python objects, which are never unpickled"
        raise DataError(what, why, f"store it as {dtype}")
    if column.dtype == np.uint8 and dtype.kind == "f":
        why = f"input {spec.name!r} takes {dtype}, the data is uint8 of shape {column.shape}"
        rank = f"x[..., None] gives grey pictures their channel axis; store other numbers than pictures as {dtype}"
        raise DataError(what, why, ADD_PREPROCESS if is_pictures(column) else rank)
    rounded = np.can_cast(column.dtype, np.float64, "equiv") and dtype == np.float32
    if not (np.can_cast(column.dtype, dtype) or rounded):
        why = f"input {spec.name!r} takes {dtype}, the data is {column.dtype}"
        raise DataError(what, why, f"store it as {dtype}: x.astype('{dtype}')")


def _check_shape(spec: TensorSpec, feed: Feed, what: str) -> None:
    """Every size that the model has fixed; its batch size is the business of whoever runs it."""
    if spec.shape is None:
        return
    fits = len(spec.shape) == len(feed.shape) and all(
        size in (None, found) for size, found in zip(spec.shape[1:], feed.shape[1:], strict=True)
    )
    if fits:
        return
    remedy = "store the data in the model's shape, samples on axis 0"
    if feed.pixels is not None:
        remedy = "bring the pictures to the model's size, for picture files by size= in --preprocess"
    raise _shape_refusal(spec, feed.shape, what, remedy)


def _shape_refusal(spec: TensorSpec, shape: tuple[int, ...], what: str, remedy: str) -> DataError:
    sizes = ["samples", *("any" if size is None else str(size) for size in (spec.shape or ())[1:])]
    why = f"input {spec.name!r} takes ({', '.join(sizes)}), the data is {shape}"
    return DataError(what, why, remedy)


def _inputs(names: list[str]) -> str:
    return f"input{'s' if len(names) > 1 else ''} {', '.join(names)}"

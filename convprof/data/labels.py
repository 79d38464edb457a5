"""What the outputs are judged by: labels or targets, one for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from convprof.data.arrays import read_npy
from convprof.data.columns import Array, Column
from convprof.data.feeds import Feed, first_not_finite, is_pictures
from convprof.data.pixels import Pixels, data_layout, plan_pixels
from convprof.data.preprocess import Layout, Preprocess
from convprof.errors import DataError


def is_label_file(labels: str) -> bool:
    """Whether labels are asked for as a file."""
    return Path(labels).suffix.lower() == ".npy"


def find_labels(labels: str, columns: Mapping[str, Column], samples: int, what: str) -> Column:
    """The column that `labels` names; raises DataError where there is none or it has not one row a sample."""
    column = _named(labels, columns, what)
    if column.dtype.kind not in "biuf":
        why = f"labels are {column.dtype}"
        raise DataError(labels, why, "store integers, or targets as the model's output has them")
    if not column.shape or column.shape[0] != samples:
        why = f"labels of shape {column.shape} for {samples} samples of {what}"
        raise DataError(labels, why, "samples go on axis 0, one label or target each")
    return column


def read_labels(
    labels: str, column: Column, count: int, preprocess: Preprocess | None, feeds: tuple[Feed, ...]
) -> Array:
    """The first `count` labels: integer vectors as int64, label pictures as float32, other targets as they are.

    Label pictures, that is uint8 of rank 4 beside inputs that are preprocessed, are divided by the scale and brought
    to the model's layout and channel order. Raises DataError for numbers that are not finite.
    """
    rows = column.rows(0, count)
    model = next((feed.pixels for feed in feeds if feed.pixels is not None), None)
    if preprocess is not None and model is not None and is_pictures(column):
        return _plan_label_pictures(labels, column, preprocess, model).apply(rows)
    if rows.dtype.kind in "iu" and rows.ndim == 1:
        return rows.astype(np.int64)
    bad = first_not_finite(rows)
    if bad is not None:
        raise DataError(labels, f"the target of sample {bad} holds NaN or Inf", "repair it or leave the sample out")
    return np.array(rows)


def _named(labels: str, columns: Mapping[str, Column], what: str) -> Column:
    if labels in columns:
        return columns[labels]
    if not is_label_file(labels):
        why = f"has no labels called {labels!r}; arrays found: {', '.join(columns) or 'none'}"
        remedy = "name one of its arrays or a .npy file, or `folders` where every picture is in a class subfolder"
        raise DataError(what, why, remedy)
    if not Path(labels).is_file():
        raise DataError(labels, "no such file of labels", "check the path")
    return read_npy(Path(labels))


def _plan_label_pictures(labels: str, column: Column, preprocess: Preprocess, model: Pixels) -> Pixels:
    found = data_layout(column.shape, None)
    if found is None:
        why = f"label pictures of shape {column.shape} have no axis of 1, 3 or 4 channels"
        raise DataError(labels, why, "store pictures as (samples, height, width, channels), other targets not as uint8")
    wanted: Layout = "nchw" if model.model_axis == 1 else "nhwc"
    channels = column.shape[3] if found == "nhwc" else column.shape[1]
    scaled = replace(preprocess, mean=(0.0,), std=(1.0,))
    return plan_pixels(scaled, channels, (found, wanted), np.dtype(np.float32), labels)

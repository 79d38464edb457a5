"""From what a user calls DATA to Batches that fit a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from convprof.data.arrays import read_npy, read_npz
from convprof.data.batches import Batches
from convprof.data.columns import Column
from convprof.data.feeds import ADD_PREPROCESS, bind_inputs, plan_feed
from convprof.data.functions import is_function, read_function
from convprof.data.labels import find_labels, is_label_file, read_labels
from convprof.data.pictures import read_folder
from convprof.data.preprocess import PRESETS, Preprocess, parse_preprocess
from convprof.errors import DataError, UsageError
from convprof.records.analysis import TensorSpec

FORMS = "DATA is a .npz or .npy file, a folder of pictures or package.module:function"


def open_data(
    source: str,
    inputs: tuple[TensorSpec, ...],
    *,
    preprocess: str | None = None,
    labels: str | None = None,
    limit: int | None = None,
) -> Batches:
    """The data at `source` for a model with these inputs; `convprof.data` says what all of this may be.

    `limit` takes the first so many samples only. Raises UsageError for a `preprocess` or a `limit` that cannot be
    understood, DataError for data that cannot be read, does not fit the inputs, or has no labels where asked for.
    """
    if limit is not None and limit < 1:
        raise UsageError("--limit", f"{limit} is not a number of samples", "at least 1")
    if not inputs:
        raise DataError(source, "the model has no inputs to feed", "leave out the data")
    recipe = None if preprocess is None else parse_preprocess(preprocess)
    # Labels from a file are compared with all samples of a function, so it has to be run to its end.
    needed = None if labels is not None and is_label_file(labels) else limit
    place = _place(source)
    columns: Mapping[str, Column]
    if place is None:
        columns = read_function(source, needed)
    elif place.is_dir():
        recipe = _picture_recipe(source, inputs, recipe)
        columns = read_folder(place, inputs[0], recipe, limit)
    else:
        columns = _read_file(place, limit)
    return _fit(source, inputs, columns, recipe, labels, limit)


def _fit(
    what: str,
    inputs: tuple[TensorSpec, ...],
    columns: Mapping[str, Column],
    recipe: Preprocess | None,
    labels: str | None,
    limit: int | None,
) -> Batches:
    bound = bind_inputs(columns, inputs, labels, what)
    feeds = tuple(plan_feed(spec, column, recipe, what) for spec, column in zip(inputs, bound, strict=True))
    if recipe is not None and all(feed.pixels is None for feed in feeds):
        why = f"--preprocess is for uint8 pictures of rank 4, the data is {bound[0].dtype} of shape {bound[0].shape}"
        raise DataError(what, why, "leave it out, or store the pictures as uint8")
    samples = bound[0].shape[0]
    count = samples if limit is None else min(samples, limit)
    if labels is None:
        return Batches(what, count, None, feeds)
    column = find_labels(labels, columns, samples, what)
    return Batches(what, count, read_labels(labels, column, count, recipe, feeds), feeds)


def _place(source: str) -> Path | None:
    """The file or folder that `source` is; None for a function."""
    place = Path(source)
    try:
        place.stat()
    except FileNotFoundError as error:
        if is_function(source):
            return None
        raise DataError(source, "no such file or folder", FORMS) from error
    except (OSError, ValueError) as error:
        raise DataError(source, f"cannot be opened: {error}", FORMS) from error
    return place


def _read_file(place: Path, limit: int | None) -> Mapping[str, Column]:
    if place.suffix.lower() == ".npz":
        return read_npz(place, limit)
    if place.suffix.lower() == ".npy":
        return {"x": read_npy(place)}
    raise DataError(str(place), f"files called *{place.suffix} are not understood", FORMS)


def _picture_recipe(source: str, inputs: tuple[TensorSpec, ...], recipe: Preprocess | None) -> Preprocess:
    """How the pictures of a folder are preprocessed: as they are where nothing is said and the model takes uint8."""
    if len(inputs) != 1:
        why = f"a folder of pictures is for one input, the model has {', '.join(spec.name for spec in inputs)}"
        raise DataError(source, why, "store an array for each input in a .npz file")
    if recipe is not None:
        return recipe
    if inputs[0].dtype != "uint8":
        raise DataError(source, f"pictures for input {inputs[0].name!r}, which takes {inputs[0].dtype}", ADD_PREPROCESS)
    return PRESETS["raw"]

"""Models at concrete shapes, with the data that goes with them: what is fitted to, and what is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

from convprof import (
    execution,
    notices,
)
from convprof.data import SYNTHETIC, Batches, open_data, synthetic_batches, takes_pictures
from convprof.errors import UsageError
from convprof.execution import Sizes
from convprof.graph import Model, declared_inputs
from convprof.runtime import RunOptions

ONE_THREAD = RunOptions()
PLAN, PLANNING, PICTURES = "plan.json", "planning.json", "pictures.json"
# The synthetic pictures that serve by default were not asked for: a model with a value of more elements (1 GiB of
# float32) for one input is not run for them.
_LARGEST_VALUE = 1 << 28


def open_model(
    path: Path,
    input_shapes: Sizes | None,
    dims: Mapping[str, int] | None,
    data: str | None = None,
    preprocess: str | None = None,
    labels: str | None = None,
) -> tuple[Model, Batches | None]:
    """The model at concrete shapes, and the data that goes with it if any; the data settles sizes left open."""
    loaded = execution.load(path)
    batches = None if data is None else open_data(data, loaded.inputs, preprocess=preprocess, labels=labels)
    return execution.settle(loaded, input_shapes or {}, dims or {}, batches.shapes if batches else {}), batches


def open_to_fit(
    path: Path,
    input_shapes: Sizes | None,
    dims: Mapping[str, int] | None,
    calibration: str | None,
    preprocess: str | None,
    seed: int,
    labels: str | None = None,
) -> tuple[Model, Batches | None]:
    """The model, and what to fit it to: the data; without, synthetic pictures where it takes pictures.

    `labels` are of the data, where something learns from them.
    """
    if calibration not in (None, SYNTHETIC):
        return open_model(path, input_shapes, dims, calibration, preprocess, labels)
    opened, _ = open_model(path, input_shapes, dims)
    if calibration is None:
        largest = max(map(prod, opened.shapes.values()), default=0)
        if largest > _LARGEST_VALUE or not takes_pictures(opened.inputs, preprocess):
            return opened, None
    return opened, synthetic_batches(opened.inputs, preprocess, seed)


def judged_on(
    opened: Model,
    calibration: Batches | None,
    evaluation: str | None,
    labels: str | None,
    preprocess: str | None,
    seed: int,
) -> Batches | None:
    """The data to compare the outputs on: of synthetic pictures never those of the fit."""
    if evaluation is not None:
        declared = declared_inputs(opened.program)
        return open_data(evaluation, declared, preprocess=preprocess, labels=labels)
    if labels is not None:
        raise UsageError("--labels", "labels belong to evaluation data, and there is none", "give --eval DATA too")
    return synthetic_batches(opened.inputs, preprocess, seed + 1) if notices.is_synthetic(calibration) else calibration

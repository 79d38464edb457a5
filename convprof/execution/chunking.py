"""Data in feeds of the size that a model takes: its fixed batch, or as many samples as memory likes."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from convprof import graph
from convprof.data import Batches
from convprof.errors import DataError, UsageError
from convprof.execution.settling import Values, example_feeds
from convprof.graph import Model
from convprof.records.analysis import TensorSpec

# The largest activation of one chunk stays below this many elements (64 MiB of float32).
_CHUNK_ELEMENTS = 1 << 24
_CHUNK_SAMPLES = 64
# Bytes of the samples that are held all at once.
_LARGEST_FEEDS = 1 << 30


def fixed_batch(model: Model) -> int | None:
    """The batch size that the model's file fixes, or None where it is free."""
    sizes = [spec.shape[0] for spec in graph.declared_inputs(model.program) if spec.shape]
    fixed = [size for size in sizes if size is not None]
    return fixed[0] if fixed else None


def at_batch(model: Model, batch: int) -> tuple[TensorSpec, ...]:
    """The model's inputs with `batch` samples in each whose batch is free; those of a fixed size stay as they are.

    Raises UsageError where no input's batch is free and the model's own is another.
    """
    declared = {spec.name: spec.shape for spec in graph.declared_inputs(model.program)}
    free = {name for name, shape in declared.items() if shape is None or (shape and shape[0] is None)}
    if not free and fixed_batch(model) != batch:
        own = fixed_batch(model)
        why = f"{model.file.path} has inputs without a batch" if own is None else f"{model.file.path} takes {own} only"
        raise UsageError(f"batch {batch}", why, "leave the size out, or export the model with a free batch")
    return tuple(
        replace(spec, shape=(batch, *spec.shape[1:])) if spec.name in free and spec.shape else spec
        for spec in model.inputs
    )


def first_feeds(model: Model, batches: Batches | None, seed: int) -> dict[str, Values]:
    """One feed at the model's concrete shapes: the first samples of the data where they have those, else random."""
    shapes = {spec.name: spec.shape for spec in model.inputs}
    batch = next((shape[0] for shape in shapes.values() if shape), None) or 1
    if batches is not None:
        feeds = batches.first(batch)
        if all(feeds[name].shape == shape for name, shape in shapes.items()):
            return feeds
    return example_feeds(model.inputs, seed)


def chunks(model: Model, batches: Batches) -> Iterator[dict[str, Values]]:
    """The data in feeds of the size that the model takes: its fixed batch, else as many samples as memory likes.

    Raises DataError where a fixed batch is larger than the data. What does not fill a fixed batch is left out.
    """
    fixed = fixed_batch(model)
    if fixed is None:
        yield from batches.batches(_chunk_samples(model))
        return
    if batches.count < fixed:
        raise DataError(batches.what, f"{batches.count} samples do not fill the model's batch of {fixed}", "give more")
    for feeds in batches.batches(fixed):
        if all(len(values) == fixed for values in feeds.values()):
            yield feeds


def spread(model: Model, batches: Batches, samples: int) -> list[dict[str, Values]]:
    """At most so many samples, evenly spread over the data, in feeds of the size that the model takes.

    None at all where the model fixes a batch that is larger.
    """
    fixed = fixed_batch(model)
    count = min(samples, batches.count)
    count -= count % fixed if fixed else 0
    return picked(model, batches, np.linspace(0, batches.count - 1, count).astype(int))


def affordable(batches: Batches, wanted: int) -> int:
    """How many samples can be held at once: `wanted`, or fewer where there are no more or where they are large."""
    size = sum(array.nbytes for array in batches.first(1).values())
    return max(1, min(wanted, batches.count, _LARGEST_FEEDS // max(size, 1)))


def picked(model: Model, batches: Batches, numbers: NDArray[np.int64]) -> list[dict[str, Values]]:
    """Those samples in feeds of the size that the model takes; what does not fill its batch is left out."""
    fixed = fixed_batch(model)
    size = fixed or _chunk_samples(model)
    count = len(numbers) - (len(numbers) % fixed if fixed else 0)
    return [batches.pick(numbers[start : start + size]) for start in range(0, count, size)]


def around(model: Model, batches: Batches, sample: int) -> tuple[dict[str, Values], int]:
    """The smallest feed that the model takes and that holds a sample that `chunks` passes on, and where in it."""
    size = fixed_batch(model) or 1
    start = sample - sample % size
    return batches.slice(start, start + size).first(size), sample - start


def usable_samples(model: Model, batches: Batches) -> int:
    """How many of the samples `chunks` passes on."""
    fixed = fixed_batch(model)
    return batches.count if fixed is None else batches.count - batches.count % fixed


def _chunk_samples(model: Model) -> int:
    """Samples in a chunk of a model whose batch is free."""
    largest = max((prod(shape) for shape in model.shapes.values()), default=1)
    return max(1, min(_CHUNK_SAMPLES, _CHUNK_ELEMENTS // max(largest, 1)))

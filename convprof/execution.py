"""Runs models for the stages that need values rather than times: concrete shapes, and walks over data.

The only room that knows both the graph and the runtime, so that neither of the two has to know the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof import graph, runtime
from convprof.data import Batches
from convprof.errors import DataError, ModelError
from convprof.graph import ConvNode, Model
from convprof.records.analysis import ModelFile, TensorSpec
from convprof.records.factors import Arrangement
from convprof.records.remarks import Remark
from convprof.runtime import RunOptions

Values = NDArray[Any]
Sizes = Mapping[str, tuple[int, ...]]

# The largest activation of one chunk stays below this many elements (64 MiB of float32).
_CHUNK_ELEMENTS = 1 << 24
_CHUNK_SAMPLES = 64


@dataclass(frozen=True)
class Loaded:
    """A file that was read, and its inputs as declared, before anyone has settled its sizes."""

    file: ModelFile
    program: graph.Program
    inputs: tuple[TensorSpec, ...]


def load(path: Path) -> Loaded:
    """Read the model at `path`; raises ModelError for what is no readable ONNX model."""
    file, program = graph.read(path)
    return Loaded(file, program, graph.declared_inputs(program))


def settle(loaded: Loaded, input_shapes: Sizes, dims: Mapping[str, int], fallback: Sizes) -> Model:
    """The model at concrete shapes: as given, else its own, else `fallback`'s (the data's), batch 1.

    Shapes that inference cannot find are taken from one run. Raises UsageError for names that the model does not have
    and ModelError for sizes that nothing determines.
    """
    what, program = loaded.file.path, loaded.program
    inputs, notices = graph.bind_inputs(program, what, input_shapes, dims, fallback)
    shapes, dtypes = graph.infer(program, inputs)
    model = Model(loaded.file, program, inputs, shapes, dtypes, notices)
    return _with_shapes_from_a_run(model) if graph.needs_probe(program, model.shapes) else model


def example_feeds(inputs: Sequence[TensorSpec], seed: int) -> dict[str, Values]:
    """One feed of random values at the concrete shapes: normal for floats, zeros for everything else."""
    random = np.random.default_rng(seed)
    feeds: dict[str, Values] = {}
    for spec in inputs:
        shape = tuple(size or 1 for size in spec.shape or ())
        dtype = np.dtype(spec.dtype)
        drawn = random.standard_normal(shape) if dtype.kind == "f" else np.zeros(shape)
        feeds[spec.name] = drawn.astype(dtype)
    return feeds


def first_feeds(model: Model, batches: Batches | None, seed: int) -> dict[str, Values]:
    """One feed at the model's concrete shapes: the first samples of the data where they have those, else random."""
    shapes = {spec.name: spec.shape for spec in model.inputs}
    batch = next((shape[0] for shape in shapes.values() if shape), None) or 1
    if batches is not None:
        feeds = batches.first(batch)
        if all(feeds[name].shape == shape for name, shape in shapes.items()):
            return feeds
    return example_feeds(model.inputs, seed)


def _with_shapes_from_a_run(model: Model) -> Model:
    probe, names = graph.shape_probe(model.program, model.shapes)
    try:
        session = runtime.open_session(graph.serialized(probe), what=model.file.path)
        values = session.run(example_feeds(model.inputs, seed=0))
    except ModelError as error:
        notice = Remark("shapes-unknown", f"some shapes are unknown: {error.why}")
        return replace(model, notices=(*model.notices, notice))
    seen = {name: tuple(int(size) for size in values[output]) for output, name in names.items()}
    notice = Remark("shapes-from-a-run", f"{len(seen)} shapes were taken from one run of the model")
    return replace(model, shapes={**model.shapes, **seen}, notices=(*model.notices, notice))


def chunks(model: Model, batches: Batches) -> Iterator[dict[str, Values]]:
    """The data in feeds of the size that the model takes: its fixed batch, else as many samples as memory likes.

    Raises DataError where a fixed batch is larger than the data. What does not fill a fixed batch is left out.
    """
    fixed = fixed_batch(model)
    if fixed is None:
        largest = max((prod(shape) for shape in model.shapes.values()), default=1)
        yield from batches.batches(max(1, min(_CHUNK_SAMPLES, _CHUNK_ELEMENTS // max(largest, 1))))
        return
    if batches.count < fixed:
        raise DataError(batches.what, f"{batches.count} samples do not fill the model's batch of {fixed}", "give more")
    for feeds in batches.batches(fixed):
        if all(len(values) == fixed for values in feeds.values()):
            yield feeds


def usable_samples(model: Model, batches: Batches) -> int:
    """How many of the samples `chunks` passes on."""
    fixed = fixed_batch(model)
    return batches.count if fixed is None else batches.count - batches.count % fixed


def fixed_batch(model: Model) -> int | None:
    """The batch size that the model's file fixes, or None where it is free."""
    sizes = [spec.shape[0] for spec in graph.declared_inputs(model.program) if spec.shape]
    fixed = [size for size in sizes if size is not None]
    return fixed[0] if fixed else None


class Walk:
    """Walks a model over data from value to value, each node once; layers ahead of the walk may be replaced."""

    def __init__(self, model: Model, feeds: Sequence[Mapping[str, Values]], options: RunOptions) -> None:
        """Stand at the model's inputs, `feeds` being one mapping a chunk. The model itself stays as it is."""
        self._model = replace(model, program=model.program.clone())
        self._names = graph.Names(self._model.program)
        self._convs = {conv.name: conv for conv in graph.find_convs(self._model)}
        self._cutter = graph.Cutter(self._model.program, tuple(feeds[0]))
        self._chunks: list[dict[str, Values]] = [dict(feed) for feed in feeds]
        self._options = options

    def conv(self, name: str) -> ConvNode:
        """The conv called `name` in the walk's own copy of the graph."""
        return self._convs[name]

    def reach(self, value: str) -> Iterator[Values]:
        """The value called `value` for each chunk; it is computed, and what it needs with it, if it was not yet."""
        segment = self._cutter.segment(value, self._chunks[0])
        if segment is not None:
            session = runtime.open_session(segment.model, self._options, what=self._model.file.path)
            for chunk in self._chunks:
                chunk.update(session.run({name: chunk[name] for name in segment.inputs}))
        return (chunk[value] for chunk in self._chunks)

    def target(self, name: str, pending: Collection[str]) -> graph.Target:
        """What the response of the conv called `name` goes into, apart from what needs one of the `pending` convs."""
        return graph.target_of(self._convs[name], [self._convs[each] for each in pending])

    def table(self, start: str, end: str, points: Values) -> tuple[Values, Values]:
        """The value called `end`, a function of the one called `start` element by element, as a table.

        `points` (G,) in the type of `start` and without what is twice in that type, and the values there, (G, N).
        """
        known = self._chunks[0][start]
        points = np.unique(points.astype(known.dtype))
        grid = np.broadcast_to(
            points.reshape(-1, *(1,) * (known.ndim - 1)), (len(points), *known.shape[1:2], *(1,) * (known.ndim - 2))
        )
        piece = graph.between(self._model.program, (start,), (end,), {start: grid})
        session = runtime.open_session(piece.model, self._options, what=self._model.file.path)
        values = session.run({start: np.ascontiguousarray(grid)})[end]
        return points, values.reshape(grid.shape[:2])

    def replace(self, name: str, arrangement: Arrangement) -> None:
        """Put `arrangement` in the place of a conv that the walk has not passed."""
        graph.replace_conv(self._convs[name], arrangement, self._names)

    def forget(self) -> None:
        """Drop every value that no node ahead reads."""
        unneeded = self._cutter.forget()
        for chunk in self._chunks:
            for name in unneeded:
                del chunk[name]

"""Runs models for the stages that need values rather than times: concrete shapes, and walks over data.

The only room that knows both the graph and the runtime, so that neither of the two has to know the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace as replace_spec
from numpy.typing import NDArray

from convprof import graph, runtime
from convprof.data import Batches
from convprof.errors import DataError, ModelError, UsageError
from convprof.graph import ConvNode, Model
from convprof.holding import Held, Store
from convprof.records.analysis import ModelFile, TensorSpec
from convprof.records.factors import Arrangement
from convprof.records.remarks import Remark
from convprof.runtime import RunOptions

Values = NDArray[Any]
Sizes = Mapping[str, tuple[int, ...]]

# The largest activation of one chunk stays below this many elements (64 MiB of float32).
_CHUNK_ELEMENTS = 1 << 24
_CHUNK_SAMPLES = 64
# Bytes of the samples that are held all at once.
_LARGEST_FEEDS = 1 << 30


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
        replace_spec(spec, shape=(batch, *spec.shape[1:])) if spec.name in free and spec.shape else spec
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


def fixed_batch(model: Model) -> int | None:
    """The batch size that the model's file fixes, or None where it is free."""
    sizes = [spec.shape[0] for spec in graph.declared_inputs(model.program) if spec.shape]
    fixed = [size for size in sizes if size is not None]
    return fixed[0] if fixed else None


class Walk:
    """Walks a model over data from value to value, each node once; layers ahead of the walk may be replaced."""

    def __init__(
        self,
        model: Model,
        feeds: Iterable[Mapping[str, Values | Held]],
        options: RunOptions,
        store: Store | None = None,
        kept: Collection[str] = (),
    ) -> None:
        """Stand at the model's inputs, `feeds` being one mapping a chunk. The model itself stays as it is.

        `store` holds the values, without one they stay in memory; those named in `kept` are never forgotten.
        """
        self._source = model
        self._model = replace(model, program=model.program.clone())
        self._names = graph.Names(self._model.program)
        self._convs = {conv.name: conv for conv in graph.find_convs(self._model)}
        self._store = Store() if store is None else store
        self._chunks = [{name: self._store.put(value) for name, value in feed.items()} for feed in feeds]
        self._cutter = graph.Cutter(self._model.program, tuple(self._chunks[0]), kept)
        self._options = options

    def twin(self) -> Walk:
        """A second walk over the same data, which is held once; this one must not have left the inputs."""
        return Walk(self._source, self._chunks, self._options, self._store)

    def conv(self, name: str) -> ConvNode:
        """The conv called `name` in the walk's own copy of the graph."""
        return self._convs[name]

    def reach(self, value: str, *others: str) -> Iterator[Values]:
        """The value called `value` for each chunk; it is computed, and what it needs with it, if it was not yet.

        `others` are computed at once with it.
        """
        segment = self._cutter.segment((value, *others), self._chunks[0])
        if segment is not None:
            session = self._session(segment)
            for chunk in self._chunks:
                made = session.run({name: self._store.get(chunk[name]) for name in segment.inputs})
                chunk.update((name, self._store.put(array)) for name, array in made.items())
        return self._values(value, self._chunks)

    def last(self, value: str, count: int) -> Iterator[Values]:
        """The value called `value`, which has been reached, for the last `count` chunks."""
        return self._values(value, self._chunks[-count:])

    def glance(self, value: str, feeds: Iterable[Mapping[str, Values]]) -> Iterator[Values]:
        """What lies ahead and is called `value`, computed from other values than those here; the walk stays."""
        segment = self._cutter.glance(value, self._chunks[0])
        session = self._session(segment)
        return (session.run({name: feed[name] for name in segment.inputs})[value] for feed in feeds)

    def instead(self, name: str, arrangement: Arrangement, count: int) -> Iterator[Values]:
        """What `arrangement` in the place of a conv makes of its input, reached, for the first `count` chunks."""
        conv = self._convs[name]
        piece = graph.standalone(conv, arrangement)
        session = runtime.open_session(graph.serialized(piece), self._options, what=self._model.file.path)
        for value in self._values(conv.input_name, self._chunks[:count]):
            yield session.run({conv.input_name: value})[conv.output_name]

    def fork(self, name: str, values: Sequence[Values], *, first: bool = False) -> None:
        """Walk on with more chunks: as many of the last ones as there are `values` once more, these as `name`.

        With `first` of the first ones.
        """
        forked = self._chunks[: len(values)] if first else self._chunks[-len(values) :]
        for chunk, value in zip(forked, values, strict=True):
            self._chunks.append({each: self._store.put(held) for each, held in chunk.items() if each != name})
            self._chunks[-1][name] = self._store.put(value)

    def target(self, name: str, pending: Collection[str]) -> graph.Target:
        """What the response of the conv called `name` goes into, apart from what needs one of the `pending` convs."""
        return graph.target_of(self._convs[name], [self._convs[each] for each in pending], self._cutter.known)

    def table(self, start: str, end: str, points: Values) -> tuple[Values, Values]:
        """The value called `end`, a function of the one called `start` element by element, as a table.

        `points` (G,) in the type of `start` and without what is twice in that type, and the values there, (G, N).
        """
        known = self._chunks[0][start]
        points = np.unique(points.astype(known.dtype))
        shape = (len(points), *known.shape[1:2], *(1,) * (known.ndim - 2))
        column = np.broadcast_to(points.reshape(-1, *(1,) * (known.ndim - 1)), shape)
        values = next(self.glance(end, [{start: np.ascontiguousarray(column)}]))
        return points, values.reshape(shape[:2])

    def replace(self, name: str, arrangement: Arrangement) -> None:
        """Put `arrangement` in the place of a conv that the walk has not passed."""
        self._cutter.replaced(graph.replace_conv(self._convs[name], arrangement, self._names))

    def shift(self, name: str, amount: NDArray[np.float64]) -> None:
        """Add `amount` (N,) to the channels of a value that has been reached, for all that is computed from now on."""
        for chunk in self._chunks:
            value = self._store.get(chunk[name])
            self._store.drop(chunk[name])
            shifted = value + amount.reshape(-1, *(1,) * (value.ndim - 2))
            chunk[name] = self._store.put(shifted.astype(value.dtype))

    def forget(self) -> None:
        """Drop every value that no node ahead reads."""
        unneeded = self._cutter.forget()
        for chunk in self._chunks:
            for name in unneeded:
                self._store.drop(chunk.pop(name))

    def _values(self, name: str, chunks: Sequence[Mapping[str, Held]]) -> Iterator[Values]:
        return (self._store.get(chunk[name]) for chunk in chunks)

    def _session(self, segment: graph.Segment) -> runtime.Session:
        return runtime.open_session(segment.model, self._options, what=self._model.file.path)

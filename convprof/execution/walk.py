"""The Walk: over data from value to value of a model, in chunks, while layers ahead are replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convprof import graph, runtime
from convprof.execution.settling import Values
from convprof.graph import ConvNode, Model
from convprof.holding import Held, Store
from convprof.records.factors import Arrangement
from convprof.runtime import RunOptions


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

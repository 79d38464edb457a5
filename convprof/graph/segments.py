"""Cuts a program into segments that are run one after another, each node once.

A segment reaches from values that are known already to the next value wanted. What later segments will need of it is
among its outputs, so that walking through a whole network conv by conv costs one forward pass. Constants are never
carried over: they belong to whichever segment reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx_ir as ir

from convprof.graph.saving import serialized
from convprof.graph.weights import is_constant


class Typed(Protocol):
    """What has the type and the rank of an array, whether it lies in memory or not."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""

    @property
    def ndim(self) -> int:
        """Number of its axes."""


@dataclass(frozen=True)
class Segment:
    """A runnable piece: a serialised model, the values it reads and the values it makes."""

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Cutter:
    """Cuts the segments of one program whose graph may still be rewritten ahead of the walk.

    A cut looks at the nodes that it cuts and at the values known there, never at the whole graph: walking through a
    network takes time in proportion to its depth.
    """

    def __init__(self, program: ir.Model, known: Collection[str], kept: Collection[str] = ()) -> None:
        """Start with the values named in `known`, usually the graph's inputs; those named in `kept` never go."""
        self._program = program
        self._values = ir.convenience.create_value_mapping(program.graph, include_subgraphs=False)
        self._known = set(known)
        self._kept = set(kept)
        self._done: set[ir.Node] = set()
        self._owner = {inner: node for node in program.graph for inner in _inside(node)}

    @property
    def known(self) -> Collection[str]:
        """Names of the values that are known now."""
        return self._known

    def segment(self, targets: Collection[str], examples: Mapping[str, Typed]) -> Segment | None:
        """The nodes still to run to make all `targets`; None if they are known.

        `examples` give the types of known values.
        """
        nodes = self._ahead([self._values[target] for target in targets if target not in self._known])
        if not nodes:
            return None
        running = set(nodes)
        made = [value for node in nodes for value in node.outputs]
        outputs = tuple(str(v.name) for v in made if v.name in targets or self._wanted_later(v, running))
        segment = self._cut(nodes, outputs, examples)
        self._done |= running
        self._known.update(outputs)
        return segment

    def glance(self, target: str, examples: Mapping[str, Typed]) -> Segment:
        """As `segment` for a value that is not known, which makes `target` alone and leaves the walk where it is."""
        return self._cut(self._ahead([self._values[target]]), (target,), examples)

    def replaced(self, values: Iterable[ir.Value]) -> None:
        """Nodes ahead of the walk have been replaced by others, which make `values`."""
        self._values.update((str(value.name), value) for value in values)

    def forget(self) -> set[str]:
        """Names of the known values that no node still to run reads; they are known no longer."""
        values = self._values
        needed = {name for name in self._known if name in values and self._wanted_later(values[name], set())}
        unneeded, self._known = self._known - needed, needed
        return unneeded

    def _cut(self, nodes: list[ir.Node], outputs: tuple[str, ...], examples: Mapping[str, Typed]) -> Segment:
        """Copies of these nodes as a model of their own."""
        graph, values = self._program.graph, self._values
        read = dict.fromkeys(value for node in nodes for value in sources(node))
        inputs = tuple(sorted(str(value.name) for value in read if value.name in self._known))
        view = ir.GraphView(
            [values[name] for name in inputs],
            [values[name] for name in outputs],
            nodes=nodes,
            initializers=[value for value in read if value.is_initializer()],
            opset_imports=graph.opset_imports,
            name=graph.name,
        )
        piece = view.clone()
        for value in piece.inputs:
            example = examples[str(value.name)]
            value.type = ir.TensorType(ir.DataType.from_numpy(example.dtype))
            value.shape = ir.Shape([None] * example.ndim)
        for value in piece.outputs:
            # Shapes declared for another batch size would be checked against this one.
            value.shape = None
        functions = list(self._program.functions.values())
        model = ir.Model(piece, ir_version=self._program.ir_version, functions=functions)
        return Segment(serialized(model), inputs, outputs)

    def _ahead(self, targets: Iterable[ir.Value]) -> list[ir.Node]:
        """Nodes that `targets` depend on and that have not been run, in an order in which they can run."""
        found: set[ir.Node] = set()
        ordered: list[ir.Node] = []
        stack = [(target.producer(), False) for target in targets]
        while stack:
            node, entered = stack.pop()
            if node is None or (node in found and not entered):
                continue
            if entered:
                ordered.append(node)
                continue
            found.add(node)
            stack.append((node, True))
            stack.extend((value.producer(), False) for value in sources(node) if value.name not in self._known)
        return ordered

    def _wanted_later(self, value: ir.Value, running: set[ir.Node]) -> bool:
        if value.name in self._kept:
            return True
        if is_constant(value):
            return False
        return any(self._owner.get(use.node, use.node) not in running | self._done for use in value.uses())


def sources(node: ir.Node) -> Iterator[ir.Value]:
    """What a node reads, values captured by its subgraphs included."""
    yield from (value for value in node.inputs if value is not None)
    for inner in _inside(node):
        yield from (value for value in inner.inputs if value is not None and value.graph is node.graph)


def _inside(node: ir.Node) -> Iterator[ir.Node]:
    """The nodes of the subgraphs in a node's attributes, at any depth."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH and not attribute.is_ref():
            yield from attribute.as_graph().all_nodes()

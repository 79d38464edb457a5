"""Cuts a program into segments that are run one after another, each node once.

A segment reaches from values that are known already to the next value wanted. What later segments will need of it is
among its outputs, so that walking through a whole network conv by conv costs one forward pass. Constants are never
carried over: they belong to whichever segment reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from convprof.graph.saving import serialized
from convprof.graph.weights import is_constant


@dataclass(frozen=True)
class Segment:
    """A runnable piece: a serialised model, the values it reads and the values it makes."""

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Cutter:
    """Cuts the segments of one program whose graph may still be rewritten ahead of the walk."""

    def __init__(self, program: ir.Model, known: tuple[str, ...]) -> None:
        """Start with the values named in `known`, usually the graph's inputs."""
        self._program = program
        self._known = set(known)
        self._done: set[ir.Node] = set()
        self._owner = {inner: node for node in program.graph for inner in _inside(node)}

    def segment(self, target: str, examples: Mapping[str, NDArray[np.generic]]) -> Segment | None:
        """The nodes still to run to make `target`; None if it is known. `examples` give the types of known values."""
        if target in self._known:
            return None
        values = ir.convenience.create_value_mapping(self._program.graph, include_subgraphs=False)
        nodes = self._ahead(values[target])
        made = [value for node in nodes for value in node.outputs]
        outputs = tuple(str(v.name) for v in made if v.name == target or self._needed_later(v, nodes))
        inputs = tuple(sorted({str(v.name) for node in nodes for v in sources(node) if v.name in self._known}))
        piece = between(self._program, inputs, outputs, examples)
        self._done |= nodes
        self._known.update(outputs)
        return piece

    def forget(self) -> set[str]:
        """Names of the known values that no node still to run reads; they are known no longer."""
        values = ir.convenience.create_value_mapping(self._program.graph, include_subgraphs=False)
        needed = {name for name in self._known if name in values and self._needed_later(values[name], set())}
        unneeded, self._known = self._known - needed, needed
        return unneeded

    def _ahead(self, target: ir.Value) -> set[ir.Node]:
        """Nodes that `target` depends on and that have not been run."""
        found: set[ir.Node] = set()
        stack = [target]
        while stack:
            value = stack.pop()
            node = value.producer()
            if node is None or node in found or value.name in self._known:
                continue
            found.add(node)
            stack.extend(sources(node))
        return found

    def _needed_later(self, value: ir.Value, running: set[ir.Node]) -> bool:
        if is_constant(value):
            return False
        return any(self._owner.get(use.node, use.node) not in running | self._done for use in value.uses())


def between(
    program: ir.Model, inputs: tuple[str, ...], outputs: tuple[str, ...], examples: Mapping[str, NDArray[np.generic]]
) -> Segment:
    """The piece of the program from the values `inputs` to the values `outputs`; `examples` give types and ranks."""
    piece = ir.convenience.extract(program.graph, inputs, outputs)
    for value in piece.inputs:
        array = examples[str(value.name)]
        value.type = ir.TensorType(ir.DataType.from_numpy(array.dtype))
        value.shape = ir.Shape([None] * array.ndim)
    for value in piece.outputs:
        # Shapes declared for another batch size would be checked against this one.
        value.shape = None
    model = ir.Model(piece, ir_version=program.ir_version, functions=list(program.functions.values()))
    return Segment(serialized(model), inputs, outputs)


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

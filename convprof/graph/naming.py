"""New names that never collide with a name that the model already has."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from convprof.graph.model import nodes_with_scope


class Names:
    """The names in use in a program, and new ones derived from what they belong to."""

    def __init__(self, program: ir.Model) -> None:
        """Collect every node and value name of the program."""
        # Before IR version 4 every initialiser had to be listed as an input too.
        self._initializers_are_inputs = program.ir_version < 4
        self._used: set[str] = set()
        for graph in program.graphs():
            self._used.update(str(value.name) for value in graph.inputs)
            self._used.update(graph.initializers)
        for _, node in nodes_with_scope(program):
            self._used.add(node.name or "")
            self._used.update(str(value.name) for value in node.outputs)

    def new(self, wanted: str) -> str:
        """`wanted`, or `wanted` with a number where that is taken."""
        return unused(wanted, self._used)

    def initializer(self, graph: ir.Graph, wanted: str, array: NDArray[np.floating], dtype: ir.DataType) -> ir.Value:
        """Register `array`, cast to `dtype`, as an initialiser of `graph` under a new name."""
        name = self.new(wanted)
        tensor = ir.Tensor(np.ascontiguousarray(array.astype(dtype.numpy())), dtype=dtype, name=name)
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(dtype), const_value=tensor)
        graph.register_initializer(value)
        if self._initializers_are_inputs:
            graph.inputs.append(value)
        return value


def unused(wanted: str, taken: set[str]) -> str:
    """`wanted`, or `wanted` with a number where that is taken; from now on the result is taken too."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name


def drop_unused(constants: Iterable[ir.Value]) -> None:
    """Remove the constants that nobody reads any more, with the nodes that only made them."""
    for value in constants:
        graph, node = value.graph, value.producer()
        if value.uses() or value.is_graph_output() or not isinstance(graph, ir.Graph):
            continue
        if node is None and value.name is not None and value.name in graph.initializers:
            del graph.initializers[value.name]
            if value in graph.inputs:
                graph.inputs.remove(value)
        elif node is not None and not any(output.uses() for output in node.outputs):
            sources = [source for source in node.inputs if source is not None]
            graph.remove(node, safe=True)
            drop_unused(sources)

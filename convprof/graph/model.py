"""The model as the stages hold it: an onnx-ir graph that nobody changes, with the concrete shapes it is judged at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from convprof.records.analysis import ModelFile, TensorSpec
from convprof.records.remarks import Remark

Shapes = Mapping[str, tuple[int, ...]]
Program = ir.Model
_NUMBERS = ("float", "bfloat", "int", "uint", "bool")


@dataclass(frozen=True)
class Model:
    """A loaded model. `shapes` and `dtypes` (numpy's names) hold what is known of every value, by its name.

    Functions that change a graph work on a clone and return a new Model.
    """

    file: ModelFile
    program: ir.Model
    inputs: tuple[TensorSpec, ...]
    shapes: Shapes
    dtypes: Mapping[str, str]
    notices: tuple[Remark, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        return tuple(str(value.name) for value in self.program.graph.outputs)

    @property
    def numeric_outputs(self) -> tuple[str, ...]:
        """Names of the outputs that nodes compute and that are numbers."""
        computed = [str(value.name) for value in self.program.graph.outputs if value.producer() is not None]
        return tuple(name for name in computed if self.dtypes.get(name, "").startswith(_NUMBERS))


def true_inputs(graph: ir.Graph) -> tuple[ir.Value, ...]:
    """The inputs that a caller must feed: old files list their initialisers as inputs too."""
    return tuple(value for value in graph.inputs if value.name not in graph.initializers)


def nodes_with_scope(program: ir.Model) -> Iterator[tuple[str, ir.Node]]:
    """Every node of the main graph (scope ""), of its subgraphs and of the model's functions, with its scope."""
    yield from _walk(program.graph, "")
    for function in program.functions.values():
        yield from _walk(function, f"function:{function.domain}.{function.name}")


def _walk(nodes: ir.Graph | ir.Function, scope: str) -> Iterator[tuple[str, ir.Node]]:
    for node in nodes:
        yield scope, node
        for attribute in node.attributes.values():
            for graph in _graphs(attribute):
                yield from _walk(graph, f"{scope}/{node.name or node.op_type}/{attribute.name}".lstrip("/"))


def _graphs(attribute: ir.Attr) -> tuple[ir.Graph, ...]:
    if attribute.is_ref():
        return ()
    if attribute.type == ir.AttributeType.GRAPH:
        return (attribute.as_graph(),)
    if attribute.type == ir.AttributeType.GRAPHS:
        return tuple(attribute.as_graphs())
    return ()

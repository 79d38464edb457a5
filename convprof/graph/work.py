"""What each operator of a model costs: multiply-accumulates as terms over shapes, and the weights it brings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir

from convprof.graph.convs import ConvNode
from convprof.graph.model import Model, nodes_with_scope
from convprof.graph.shapes import symbolic
from convprof.graph.symbols import input_symbols, polynomial
from convprof.graph.weights import is_constant
from convprof.records.analysis import Uncounted

# Operators without multiply-accumulates by convention: they move, compare, pool, normalise or apply a function.
_FREE_NAMES = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift BitwiseAnd
BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat ConcatFromSequence
Constant ConstantOfShape Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal
Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu GlobalAveragePool GlobalLpPool
GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity
InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization
LpPool Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mish Mod Mul Multinomial Neg
NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear RMSNormalization RandomNormal RandomNormalLike
RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign Round Scatter
ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert
SequenceLength Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split
SplitToSequence Sqrt Squeeze StringNormalizer Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
Unique Unsqueeze Upsample Where Xor
"""
_FREE = frozenset(_FREE_NAMES.split())
# If, Loop and Scan cost what their bodies cost; the bodies are walked on their own, once.
_BODIES = frozenset({"If", "Loop", "Scan"})
# Which inputs are weights; BatchNormalization's running statistics are not.
_WEIGHT_INPUTS: Mapping[str, tuple[int, ...]] = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "ConvInteger": (1,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (3,),
    "MatMulInteger": (1,),
    "DeformConv": (1, 3),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "Einsum": (0, 1, 2),
    "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "RMSNormalization": (1,),
    "PRelu": (1,),
    "LSTM": (1, 2, 3, 7),
    "GRU": (1, 2, 3),
    "RNN": (1, 2, 3),
    "Gather": (0,),
    "Add": (0, 1),
    "Sub": (0, 1),
    "Mul": (0, 1),
    "Div": (0, 1),
}
# Operators that also do shape and scale arithmetic: only their floating constants of several elements are weights.
_GENERAL = frozenset({"Add", "Sub", "Mul", "Div", "Gather"})
# Operators that make a constant from nothing, and those whose inputs are all part of the weight.
_SOURCES = frozenset({"Constant", "ConstantOfShape"})
_JOINS = frozenset({"Add", "Mul", "Concat"})


@dataclass(frozen=True)
class Work:
    """MACs of the main graph and the bodies of its control flow, each body counted once."""

    macs: int
    macs_formula: str | None
    parameters: int
    uncounted: tuple[Uncounted, ...]


@dataclass(frozen=True)
class _Term:
    """factor * product of the sizes of the value called `over`: the MACs of one node."""

    factor: int
    over: str


@dataclass(frozen=True)
class NodeWork:
    """One node by its name and that of its first output, and its MACs: 0 by convention, None where not counted.

    `scope` is "" in the main graph.
    """

    name: str
    scope: str
    output: str
    op_type: str
    domain: str
    macs: int | None


def measure_work(model: Model) -> Work:
    """Count every operator; what cannot be counted is listed by name."""
    terms: list[_Term] = []
    missing: Counter[tuple[str, str]] = Counter()
    for _, node in nodes_with_scope(model.program):
        if _is_free(node):
            continue
        term = _term(model, node)
        if term is None:
            missing[node.op_type, node.domain] += 1
        else:
            terms.append(term)
    macs = sum(term.factor * prod(model.shapes[term.over]) for term in terms)
    uncounted = tuple(Uncounted(op, domain, count) for (op, domain), count in sorted(missing.items()))
    return Work(macs, None if missing else _formula(model, terms), _parameters(model), uncounted)


def node_work(model: Model) -> Iterator[NodeWork]:
    """The work of each node, as `measure_work` sums it, but for constants."""
    for scope, node in nodes_with_scope(model.program):
        if not node.outputs or node.op_type == "Constant":
            continue
        output = str(node.outputs[0].name)
        yield NodeWork(node.name or output, scope, output, node.op_type, node.domain, _macs(model, node))


def conv_work(conv: ConvNode) -> int | None:
    """MACs of one Conv or ConvTranspose; None where a shape is unknown."""
    return _macs(conv.model, conv.node)


def conv_weights(conv: ConvNode) -> int:
    """Weights and biases of one conv, from the shapes of its constants."""
    return sum(_size(value, conv.model) for value in conv.node.inputs[1:3] if value is not None)


def _size(value: ir.Value, model: Model) -> int:
    if value.const_value is not None:
        return value.const_value.size
    return prod(model.shapes.get(str(value.name), (0,)))


def _formula(model: Model, terms: list[_Term]) -> str | None:
    symbols = input_symbols(model.program)
    if not symbols:
        return str(sum(term.factor * prod(model.shapes[term.over]) for term in terms))
    shapes = symbolic(model.program)
    return polynomial(((term.factor, shapes.get(term.over)) for term in terms), symbols)


def _macs(model: Model, node: ir.Node) -> int | None:
    if _is_free(node):
        return 0
    term = _term(model, node)
    return None if term is None else term.factor * prod(model.shapes[term.over])


def _is_free(node: ir.Node) -> bool:
    return node.domain == "" and node.op_type in _FREE | _BODIES


def _term(model: Model, node: ir.Node) -> _Term | None:
    """The node's MACs, or None where they are not known.

    A function's body stands in the list of nodes once; further calls of it are not counted again.
    """
    if not node.outputs or node.domain != "":
        return None
    shapes = [model.shapes.get(str(v.name)) if v is not None else None for v in node.inputs]
    output = str(node.outputs[0].name)
    if len(shapes) < 2 or shapes[0] is None or shapes[1] is None or output not in model.shapes:
        return None
    if node.op_type == "Conv":
        return _Term(prod(shapes[1][1:]), output)
    if node.op_type == "ConvTranspose":
        # Every input position meets every weight of its group once.
        return _Term(prod(shapes[1][1:]), str(node.inputs[0].name) if node.inputs[0] is not None else "")
    if node.op_type == "Gemm":
        transposed = node.attributes.get("transA")
        first = transposed is not None and transposed.as_int() == 1
        return _Term(shapes[0][0] if first else shapes[0][-1], output)
    if node.op_type == "MatMul":
        return _Term(shapes[0][-1], output) if shapes[0] else None
    return None


def _parameters(model: Model) -> int:
    """Elements of the distinct constants that weight-bearing operators read."""
    found: dict[ir.Value, int] = {}
    for _, node in nodes_with_scope(model.program):
        for weight in _weights_of(node, model):
            for value in _stored(weight):
                size = _size(value, model)
                if size > 1 or (value is weight and node.op_type not in _GENERAL):
                    found[value] = size
    return sum(found.values())


def _weights_of(node: ir.Node, model: Model) -> Iterator[ir.Value]:
    for index in _WEIGHT_INPUTS.get(node.op_type, ()) if node.domain == "" else ():
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is not None and is_constant(value) and not (node.op_type in _GENERAL and _is_integer(value, model)):
            yield value


def _is_integer(value: ir.Value, model: Model) -> bool:
    return np.dtype(model.dtypes.get(str(value.name), "float32")).kind in "iub"


def _stored(value: ir.Value) -> list[ir.Value]:
    """The tensors behind a constant value, however many nodes stand between."""
    found: list[ir.Value] = []
    ahead, seen = [value], {value}
    while ahead:
        current = ahead.pop()
        node = current.producer()
        if current.const_value is not None or node is None or node.op_type in _SOURCES:
            found.append(current)
            continue
        # Where tensors are not joined, what follows the first input are shapes, axes and scales.
        sources = node.inputs if node.op_type in _JOINS else node.inputs[:1]
        fresh = [source for source in sources if source is not None and source not in seen]
        seen.update(fresh)
        ahead.extend(fresh)
    return found

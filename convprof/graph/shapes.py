"""Shapes: concrete ones for counting and running, and those in the model's own symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import onnx_ir as ir
from onnx_shape_inference import infer_symbolic_shapes

from convprof.errors import ModelError, UsageError
from convprof.graph.libraries import hushed
from convprof.graph.model import true_inputs
from convprof.graph.naming import Names
from convprof.graph.symbols import input_symbols
from convprof.records.analysis import TensorSpec
from convprof.records.remarks import Remark

Sizes = Mapping[str, tuple[int, ...]]
_WORKERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def bind_inputs(
    program: ir.Model, what: str, input_shapes: Sizes, dims: Mapping[str, int], fallback: Sizes
) -> tuple[tuple[TensorSpec, ...], tuple[Remark, ...]]:
    """Concrete inputs: from `input_shapes` and `dims`, else the model's own, else `fallback` (the data's), batch 1.

    Raises UsageError for names that the model does not have and ModelError for sizes that nothing determines.
    """
    inputs = true_inputs(program.graph)
    input_shapes = _named(what, inputs, input_shapes)
    _check_names(what, "input", input_shapes, {str(value.name) for value in inputs})
    _check_names(what, "symbolic size", dims, input_symbols(program))
    bound = dict(dims)
    for value in inputs:
        _bind_symbols(value, input_shapes.get(str(value.name)), bound)
    for value in inputs:
        _bind_symbols(value, fallback.get(str(value.name)), bound)
    notices: dict[str, Remark] = {}
    specs = tuple(
        TensorSpec(str(value.name), _dtype(value), _concrete(value, what, input_shapes, fallback, bound, notices))
        for value in inputs
    )
    return specs, tuple(notices.values())


def infer(program: ir.Model, inputs: Iterable[TensorSpec]) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Concrete shape and type of every value that inference reaches from the concrete inputs."""
    clone = program.clone()
    _forget_shapes(clone)
    concrete = {spec.name: spec.shape for spec in inputs}
    for value in true_inputs(clone.graph):
        shape = concrete.get(str(value.name))
        if shape is not None:
            value.shape = ir.Shape(shape)
    _infer(clone)
    found: dict[str, set[tuple[int, ...] | None]] = {}
    for value in _values(clone):
        found.setdefault(str(value.name), set()).add(_static(value))
    # Sibling subgraphs may use one name for different values: what is not the same everywhere is not known.
    shapes = {name: shape for name, (shape, *others) in found.items() if shape is not None and not others}
    return shapes, {str(value.name): _dtype(value) for value in _values(clone) if _has_dtype(value)}


def _static(value: ir.Value) -> tuple[int, ...] | None:
    if value.shape is None or not value.shape.is_static():
        return None
    return tuple(int(size) for size in value.shape if isinstance(size, int))


def symbolic(program: ir.Model) -> dict[str, ir.Shape]:
    """Shape of every value in the model's own symbols, where inference finds it."""
    clone = program.clone()
    _forget_shapes(clone)
    _infer(clone)
    return {str(value.name): value.shape for value in _values(clone) if value.shape is not None}


def _named(what: str, inputs: Sequence[ir.Value], shapes: Sizes) -> Sizes:
    """The shapes with the name of the single input in the place of an empty one."""
    if "" not in shapes:
        return shapes
    if len(inputs) != 1:
        names = ", ".join(str(value.name) for value in inputs)
        raise UsageError(what, "--input-shape without a name needs a model of one input", f"its inputs are {names}")
    return {str(inputs[0].name) if name == "" else name: shape for name, shape in shapes.items()}


def _check_names(what: str, kind: str, given: Mapping[str, object], known: Set[str]) -> None:
    for name in given:
        if name not in known:
            choices = ", ".join(sorted(known)) or "none"
            raise UsageError(what, f"the model has no {kind} {name!r}", f"it has: {choices}")


def _bind_symbols(value: ir.Value, shape: tuple[int, ...] | None, bound: dict[str, int]) -> None:
    """A size given for one input settles the symbol wherever else it stands."""
    if shape is None or value.shape is None or len(value.shape) != len(shape):
        return
    for own, size in zip(value.shape, shape, strict=True):
        if isinstance(own, ir.SymbolicDim) and own.value is not None:
            bound.setdefault(own.value, size)


def _concrete(
    value: ir.Value, what: str, given: Sizes, fallback: Sizes, bound: Mapping[str, int], notices: dict[str, Remark]
) -> tuple[int, ...]:
    name = str(value.name)
    if name in given:
        _check_shape(what, value, given[name])
        return given[name]
    if value.shape is None:
        if name in fallback:
            return fallback[name]
        raise ModelError(what, f"input {name!r} has no shape", f"give --input-shape {name}:1,3,224,224")
    sizes: list[int] = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, int):
            sizes.append(size)
        elif size.value in bound:
            sizes.append(bound[str(size.value)])
        elif axis == 0:
            sizes.append(1)
            text = f"symbolic batch {size.value or '?'} of input {name!r} set to 1"
            notices.setdefault("batch-set-to-1", Remark("batch-set-to-1", text))
        else:
            shown = ",".join(str(d) if isinstance(d, int) else (d.value or "?") for d in value.shape)
            raise ModelError(
                what,
                f"input {name!r} has the symbolic shape {shown}: its work depends on sizes that nobody named",
                f"give --input-shape {name}:... or --dim {size.value or 'NAME'}=...",
            )
    return tuple(sizes)


def _check_shape(what: str, value: ir.Value, given: tuple[int, ...]) -> None:
    own = value.shape
    if own is None:
        return
    fits = len(own) == len(given) and all(
        not isinstance(d, int) or d == size for d, size in zip(own, given, strict=False)
    )
    if not fits:
        shown = ",".join(str(d) if isinstance(d, int) else (d.value or "?") for d in own)
        raise UsageError(
            what, f"--input-shape {','.join(map(str, given))} does not fit input {value.name!r}", f"it is {shown}"
        )


def _dtype(value: ir.Value) -> str:
    """Name of the value's type as numpy has it."""
    return value.dtype.numpy().name if value.dtype is not None and _has_dtype(value) else "float32"


def _has_dtype(value: ir.Value) -> bool:
    return value.dtype not in (None, ir.DataType.UNDEFINED)


def _values(program: ir.Model) -> Iterable[ir.Value]:
    for graph in program.graphs():
        yield from graph.inputs
        yield from graph.initializers.values()
        for node in graph:
            yield from node.outputs


def _forget_shapes(program: ir.Model) -> None:
    """Shapes written by an exporter are for the exporter's sizes: only the inputs' are taken on trust."""
    for graph in program.graphs():
        for node in graph:
            for value in node.outputs:
                value.shape = None


def _infer(program: ir.Model) -> None:
    """Infer in place; what cannot be inferred stays unknown, and a run can tell."""
    try:
        with hushed("onnx_shape_inference"), hushed("onnx_ir"):
            infer_symbolic_shapes(program, policy="refine", warn_on_missing=False)
    except Exception:
        # The inference of one odd node must not take the analysis down; unknown shapes are reported as such.
        return


def declared_inputs(program: ir.Model) -> tuple[TensorSpec, ...]:
    """The inputs as the file declares them; symbolic sizes are None."""
    return tuple(
        TensorSpec(
            str(value.name),
            _dtype(value),
            None if value.shape is None else tuple(d if isinstance(d, int) else None for d in value.shape),
        )
        for value in true_inputs(program.graph)
    )


def shape_probe(program: ir.Model, known: Mapping[str, tuple[int, ...]]) -> tuple[ir.Model, dict[str, str]]:
    """A program that also puts out the shapes that are missing in `known`, and which output tells which value's."""
    clone = program.clone()
    probes: dict[str, str] = {}
    names = Names(clone)
    for node in list(clone.graph):
        for value in node.outputs:
            if not value.name or value.name in known:
                continue
            name = names.new(f"{value.name}/convprof/shape")
            shape = ir.Node("", "Shape", [value])
            shape.outputs[0].name = name
            shape.outputs[0].dtype = ir.DataType.INT64
            clone.graph.append(shape)
            clone.graph.outputs.append(shape.outputs[0])
            probes[name] = str(value.name)
    return clone, probes


def needs_probe(program: ir.Model, known: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether an operator that does the work of the main graph has a shape that inference did not find."""
    return any(
        value is not None and value.name and value.name not in known
        for node in program.graph
        if node.op_type in _WORKERS
        for value in (*node.inputs[:2], *node.outputs)
    )

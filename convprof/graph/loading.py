"""Opens an ONNX file: its graph now, its weights when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from convprof.errors import ModelError
from convprof.graph.libraries import hushed
from convprof.graph.model import nodes_with_scope
from convprof.graph.validation import validate
from convprof.graph.wire import WireError, skeleton
from convprof.records.analysis import ModelFile

_HERE = "convprof:same-file"


def read(path: Path) -> tuple[ModelFile, ir.Model]:
    """The file's identity and its graph; raises ModelError for what is no readable ONNX model."""
    try:
        if not path.is_file():
            raise ModelError(str(path), "no such file", "give the path of an .onnx model")
        proto = onnx.ModelProto.FromString(skeleton(path, _HERE))
        digest = _sha256(path)
    except OSError as error:
        raise ModelError(str(path), error.strerror or str(error), "check the path and its permissions") from error
    except (WireError, DecodeError) as error:
        raise ModelError(str(path), f"not an ONNX model: {error}", "give a file written by an ONNX exporter") from error
    if not proto.graph.node:
        raise ModelError(str(path), "not an ONNX model: it holds no graph", "give a file written by an ONNX exporter")
    program = _program(proto, path)
    producer = " ".join(part for part in (program.producer_name, program.producer_version) if part) or None
    opset = program.opset_imports.get("")
    return ModelFile(str(path), digest, program.ir_version, opset, producer), program


def _program(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """The graph of the message, its nodes in an order in which they can run."""
    try:
        with hushed("onnx_ir"):
            program = ir.serde.deserialize_model(proto)
        validate(program)
        _attach(program, path)
    except ModelError:
        raise
    except Exception as error:  # what a parser raises for bytes that nobody checked is not foreseeable
        raise ModelError(str(path), f"damaged ONNX model: {_root(error)}", "export the model again") from error
    return program


def _root(error: BaseException) -> str:
    """The innermost cause in one line: the outer ones only say which messages it stood in."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _attach(program: ir.Model, path: Path) -> None:
    """Let references into the file itself read from it, and external data be looked for beside it."""
    for graph in program.graphs():
        for value in graph.initializers.values():
            value.const_value = None if value.const_value is None else _readable(value.const_value, path)
    for _, node in nodes_with_scope(program):
        for name, attribute in node.attributes.items():
            if attribute.type == ir.AttributeType.TENSOR and not attribute.is_ref():
                node.attributes[name] = ir.AttrTensor(name, _inline(_readable(attribute.as_tensor(), path)))


def _readable(tensor: ir.TensorProtocol, path: Path) -> ir.TensorProtocol:
    """The tensor, able to read itself if its data are outside the message; raises ModelError for data out of bounds."""
    if not isinstance(tensor, ir.ExternalTensor):
        return tensor
    if tensor.location == _HERE:
        return ir.LazyTensor(_reader(tensor, path), dtype=tensor.dtype, shape=tensor.shape, name=tensor.name)
    folder = path.parent.resolve()
    if not (folder / tensor.location).resolve().is_relative_to(folder):
        raise ModelError(
            str(path),
            f"tensor {tensor.name!r} has its data outside the model's folder, in {tensor.location!r}",
            "move the data beside the model",
        )
    tensor.base_dir = str(folder)
    return tensor


def _inline(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """Attributes are written back with their data inside, wherever those are now."""
    if not isinstance(tensor, ir.ExternalTensor):
        return tensor
    return ir.LazyTensor(
        lambda: ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=tensor.name),
        dtype=tensor.dtype,
        shape=tensor.shape,
        name=tensor.name,
    )


def _reader(tensor: ir.ExternalTensor, path: Path) -> Callable[[], ir.TensorProtocol]:
    def read_tensor() -> ir.TensorProtocol:
        if tensor.length != tensor.nbytes:
            raise ModelError(
                str(path),
                f"damaged tensor {tensor.name!r}: {tensor.length} bytes for shape {list(tensor.shape.numpy())}",
                "export the model again",
            )
        dtype = tensor.dtype.numpy()
        if tensor.dtype.bitwidth < 8:
            raw = np.fromfile(path, np.uint8, count=tensor.nbytes, offset=tensor.offset or 0)
            packed = onnx.TensorProto(data_type=tensor.dtype.value, dims=tensor.shape.numpy(), raw_data=raw.tobytes())
            return ir.Tensor(ir.serde.TensorProtoTensor(packed).numpy(), dtype=tensor.dtype, name=tensor.name)
        flat = np.fromfile(path, dtype, count=tensor.size, offset=tensor.offset or 0)
        return ir.Tensor(flat.reshape(tensor.shape.numpy()), dtype=tensor.dtype, name=tensor.name)

    return read_tensor

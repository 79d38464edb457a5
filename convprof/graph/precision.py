"""What a model stores and computes in: integers or floats, and how many bytes of files it takes."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from convprof.errors import ModelError
from convprof.graph.model import Model, nodes_with_scope

_INTEGER_NAMES = """
ConvInteger DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear
"""
_INTEGER = frozenset(_INTEGER_NAMES.split())


def is_quantized(program: ir.Model) -> bool:
    """Whether something in the model is computed in integers that stand for real numbers."""
    return any(node.op_type in _INTEGER for _, node in nodes_with_scope(program))


def stored_bytes(model: Model) -> int:
    """Bytes of the model's file and of the files of external data that its weights lie in.

    Raises ModelError where one is not there.
    """
    tensors = (v.const_value for g in model.program.graphs() for v in g.initializers.values())
    external = {Path(tensor.path).resolve() for tensor in tensors if isinstance(tensor, ir.ExternalTensor)}
    try:
        return sum(path.stat().st_size for path in external | {Path(model.file.path).resolve()})
    except OSError as error:
        raise ModelError(
            model.file.path, f"its data: {error.strerror}", "keep the files of a model together"
        ) from error

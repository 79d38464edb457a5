"""Stand-ins for weights where only the time of a model matters: small files, whatever the model weighs.

Every large matrix or kernel becomes a reference into a file that all models of a folder share, one file for each
element type and power of two of the scale. It holds the same thousand numbers, none of them near zero, again and again:
it packs well, and no kernel can take a short cut. The scale is He's, 1 / sqrt(half the inputs of a unit), rounded, so
that activations neither vanish into denormals nor overflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from convprof.graph.model import Model
from convprof.graph.weights import read_tensor

_SMALLEST = 1024
"""Elements below which a tensor stays as it is: shapes, biases, the constants of a normalisation."""
# A prime: no channel or row of a tensor repeats another one.
_PERIOD = 1021
_REPEATS = 1 << 10


class Pool:
    """The files that stand in for the weights of the models of one folder."""

    def __init__(self) -> None:
        self._elements: dict[tuple[ir.DataType, int], int] = {}

    def stand_in(self, tensor: ir.TensorProtocol, folder: Path) -> ir.ExternalTensor:
        """A tensor of the same name, type and shape, with its data in a file of the pool in `folder`."""
        shape = tensor.shape.numpy()
        key = tensor.dtype, _exponent(shape)
        self._elements[key] = max(tensor.size, self._elements.get(key, 0))
        return ir.ExternalTensor(
            _file_name(*key),
            0,
            tensor.nbytes,
            tensor.dtype,
            shape=ir.Shape(shape),
            name=tensor.name or "",
            base_dir=folder,
        )

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the files that all stand-ins so far refer to."""
        return tuple(_write(folder, dtype, exponent, count) for (dtype, exponent), count in self._elements.items())


def save_disguised(model: Model, path: Path, pool: Pool) -> None:
    """Write a copy of the model in which large weights are stand-ins from the pool, which is yet to be written.

    Raises ModelError for a small one that cannot be read.
    """
    program = model.program.clone()
    for graph in program.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if tensor is None:
                continue
            large = tensor.size >= _SMALLEST and len(tensor.shape) > 1
            if large and tensor.dtype.is_floating_point() and tensor.dtype.bitwidth >= 16:
                value.const_value = pool.stand_in(tensor, path.parent)
            elif isinstance(tensor, ir.ExternalTensor):
                value.const_value = ir.Tensor(read_tensor(tensor, model), dtype=tensor.dtype, name=tensor.name)
    ir.save(program, path)


def he_like(shape: Sequence[int]) -> NDArray[np.float64]:
    """Numbers of the pool in that shape, at its scale."""
    return np.resize(_pattern(), tuple(shape)) * 2.0 ** _exponent(shape)


def _exponent(shape: Sequence[int]) -> int:
    """Of two, for a weight of that shape: (out, in, ...)."""
    inputs = math.prod(shape[1:])
    return round(math.log2(2 / inputs) / 2) if inputs else 0


def _pattern() -> NDArray[np.float64]:
    """Numbers of either sign around 1, no two alike: what packs data finds the period, not chance repetitions."""
    random = np.random.default_rng(0)
    signed = np.linspace(0.5, 1.5, _PERIOD) * random.choice([-1.0, 1.0], _PERIOD)
    return np.asarray(random.permutation(signed), np.float64)


def _file_name(dtype: ir.DataType, exponent: int) -> str:
    return f"{dtype.name.lower()}_{abs(exponent)}{'n' if exponent < 0 else ''}.weights"


def _write(folder: Path, dtype: ir.DataType, exponent: int, count: int) -> Path:
    """Write `count` elements, in pieces."""
    path = folder / _file_name(dtype, exponent)
    pattern = (_pattern() * 2.0**exponent).astype(dtype.numpy())
    with path.open("wb") as file:
        for _ in range(count // _PERIOD // _REPEATS):
            file.write(np.tile(pattern, _REPEATS).tobytes())
        file.write(np.resize(pattern, count % (_PERIOD * _REPEATS)).tobytes())
    return path

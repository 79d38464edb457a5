"""Work as a polynomial in the symbolic sizes of a model's inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import prod

import onnx_ir as ir

from convprof.graph.model import true_inputs


def polynomial(terms: Iterable[tuple[int, ir.Shape | None]], symbols: frozenset[str]) -> str | None:
    """Sum of factor * product of sizes, as text in `symbols`; None where a size depends on anything else."""
    sizes: dict[str, ir.SymbolicDim] = {}
    # Most terms of a network share their symbols: adding their factors first leaves little algebra to do.
    factors: Counter[tuple[str, ...]] = Counter()
    for factor, shape in terms:
        if shape is None or any(shape.is_unknown_dim(axis) for axis in range(len(shape))):
            return None
        named = [size for size in shape if isinstance(size, ir.SymbolicDim)]
        sizes |= {str(size.value): size for size in named}
        factors[tuple(sorted(str(size.value) for size in named))] += factor * prod(
            size for size in shape if isinstance(size, int)
        )
    if not all(size.free_symbols() <= symbols for size in sizes.values()):
        return None
    if len(factors) == 1 and symbols >= sizes.keys():
        ((names, factor),) = factors.items()
        return "*".join((str(factor), *names))
    return _added_up(factors, sizes)


def _added_up(factors: Mapping[tuple[str, ...], int], sizes: Mapping[str, ir.SymbolicDim]) -> str:
    """The sum of factor * product of the named sizes, simplified."""
    total: int | ir.SymbolicDim = 0
    for names, factor in factors.items():
        product: int | ir.SymbolicDim = factor
        for name in names:
            product = sizes[name] * product
        total = product + total if isinstance(product, ir.SymbolicDim) else total + product
    return str(total if isinstance(total, int) else total.simplify()).replace(" ", "")


def input_symbols(program: ir.Model) -> frozenset[str]:
    """Names of the symbolic sizes of the model's inputs."""
    return frozenset(
        str(size.value)
        for value in true_inputs(program.graph)
        for size in value.shape or ()
        if isinstance(size, ir.SymbolicDim) and size.value is not None
    )

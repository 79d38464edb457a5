"""Products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from convprof.torch.node import Node


def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """Gemm: alpha A' B' + beta C."""
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    a = a.T if node.integer("transA", 0) else a
    b = b.T if node.integer("transB", 0) else b
    if c is not None and a.is_floating_point():
        return torch.addmm(c.expand(a.shape[0], b.shape[1]), a, b, beta=beta, alpha=alpha)
    product = a @ b
    product = product if alpha == 1 else product * alpha
    return product if c is None else product + (c if beta == 1 else c * beta)


def matmul(_: Node, a: Tensor, b: Tensor) -> Tensor:
    """MatMul."""
    return torch.matmul(a, b)


def einsum(node: Node, *operands: Tensor) -> Tensor:
    """Einsum."""
    return torch.einsum(node.text("equation", ""), *operands)

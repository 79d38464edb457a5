"""The algebra of kernels that pass through R channels: what `spatial`, `channel` and `tucker2` share.

    W'[n, i, b] = sum_r last[n, r, b] first[r, i]

The columns of a kernel, (m, taps), are split into i, which the first factor sees, and b, which it leaves to the last.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from convprof.forms.least_squares import conjugate_gradients, inverse, solve
from convprof.moments import Moments
from convprof.records.factors import Array

_F = TypeVar("_F", bound=np.floating)


def leading(gram: NDArray[_F], rank: int) -> NDArray[_F]:
    """The `rank` leading eigenvectors (n, rank) of a symmetric matrix (n, n)."""
    vectors: NDArray[_F] = np.linalg.eigh(gram)[1][:, ::-1][:, :rank]
    return vectors


def composed(first: Array, last: Array) -> Array:
    """Kernel (N, i b) from first (R, i) and last (N, R, b)."""
    count, rank, width = last.shape
    product = last.transpose(0, 2, 1).reshape(count * width, rank) @ first
    return product.reshape(count, width, -1).transpose(0, 2, 1).reshape(count, -1)


def compressed(moments: Moments, first: Array, width: int) -> tuple[Array, Array]:
    """S (R b, R b) and C (N, R b) of what the first factor (R, i) lets through."""
    rank, side = first.shape

    def gather(rows: Array) -> Array:
        """From columns (i, b) to columns (r, b)."""
        return (first @ rows.reshape(len(rows), side, width)).reshape(len(rows), rank * width)

    half = first @ moments.covariance.reshape(side, -1)
    return gather(half.reshape(rank * width, side * width)), gather(moments.cross)


def regressed(covariance: Array, cross: Array, rank: int) -> tuple[Array, Array]:
    """Reduced-rank regression: left (N, rank), orthonormal, and right (rank, n), of the least error for S and C.

    With the plain regression A = C S^-1, left is the leading eigenvectors of C S^-1 C^T, and right is left^T A
    (Izenman 1975).
    """
    plain = solve(covariance, cross)
    left = leading(plain @ cross.T, rank)
    return left, left.T @ plain


def whitening(moments: Moments, width: int) -> Array:
    """Inverse of S over i, averaged over b: the part of the preconditioner of `first_step` that is always the same."""
    side = len(moments.covariance) // width
    return inverse(np.einsum("ibjb->ij", moments.covariance.reshape(side, width, side, width)) / width)


def first_step(moments: Moments, first: Array, last: Array, white: Array) -> Array:
    """Conjugate gradients on the first factor (R, i) through the Gram matrix of the last (N, R, b)."""
    rank, side = first.shape
    count, _, width = last.shape
    gram = (last.reshape(count, -1).T @ last.reshape(count, -1)).reshape(rank, width, rank, width)
    covariance = moments.covariance.reshape(side, -1)
    own = inverse(np.einsum("rbsb->rs", gram))
    right = np.einsum("nrb,nib->ri", last, moments.cross.reshape(count, side, width), optimize=True)

    def apply(x: Array) -> Array:
        """From (r', i') through S to (r', b', i, b), then over the Gram matrix to (r, i)."""
        half = (x @ covariance).reshape(rank * width, side, width).transpose(2, 0, 1)
        return gram.reshape(rank, -1) @ half.reshape(-1, side)

    return conjugate_gradients(apply, right, first, lambda x: own @ x @ white)

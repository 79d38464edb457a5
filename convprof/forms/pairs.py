"""The algebra that both separable pairs share: each matrix of a batch as D filters of norm 1 and their mixing weights.

    matrix[c] (rows x k) ~ mixing[c] (rows x D) filters[c] (D x k)

Over which channels the batch runs is what tells the two forms apart.
"""

from __future__ import annotations

import numpy as np

from convprof.records.factors import Array


def truncated(matrices: Array, rank: int) -> tuple[Array, Array]:
    """Filters (c, D, k) and mixing (c, rows, D) nearest to the matrices (c, rows, k): their truncated SVD."""
    left, values, right = np.linalg.svd(matrices, full_matrices=False)
    return right[:, :rank], (left * values[:, None, :])[:, :, :rank]


def normed(filters: Array) -> tuple[Array, Array]:
    """Filters (..., k) with norm 1 (zeros stay zeros), and the factors (...) that their mixing weights must take."""
    norm = np.linalg.norm(filters, axis=-1)
    safe = np.where(norm > 0, norm, 1.0)
    return filters / safe[..., None], safe

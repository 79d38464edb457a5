"""The steps that the fits of all forms share: a linear least-squares problem solved exactly or by conjugate gradients.

Conjugate gradients started at x never leave the objective above where it stood at x, which is what keeps every sweep
monotone even when it is stopped early (Nocedal and Wright, Numerical Optimization, theorem 5.2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convprof.moments import Moments
from convprof.records.factors import Array, Factors

_STEPS = 25
_TOLERANCE = 1e-4
_ENOUGH = 1e-4


def solve(normal: Array, right: Array) -> Array:
    """Solve X normal = right for X (rows, n), normal (n, n) symmetric positive semidefinite."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    scale = max(float(np.trace(normal)) / len(normal), np.finfo(np.float64).tiny)
    for floor in (1e-12, 1e-9, 1e-6):
        try:
            factor = cho_factor(normal + floor * scale * np.eye(len(normal)), lower=True)
        except LinAlgError:
            continue
        solution: Array = cho_solve(factor, right.T).T
        return solution
    fallback: Array = np.linalg.lstsq(normal, right.T, rcond=1e-9)[0].T.astype(np.float64)
    return fallback


def conjugate_gradients(
    apply: Callable[[Array], Array], right: Array, start: Array, precondition: Callable[[Array], Array]
) -> Array:
    """A few preconditioned conjugate-gradient steps on apply(x) = right from `start`; arrays keep their shape."""
    from scipy.sparse.linalg import LinearOperator, cg

    def flat(function: Callable[[Array], Array]) -> LinearOperator:
        return LinearOperator(
            (right.size, right.size), matvec=lambda x: function(x.reshape(right.shape)).ravel(), dtype=np.float64
        )

    solution, _ = cg(
        flat(apply), right.ravel(), x0=start.ravel(), rtol=_TOLERANCE, maxiter=_STEPS, M=flat(precondition)
    )
    result: Array = solution.reshape(right.shape)
    return result


def inverse(matrix: Array) -> Array:
    """Inverse of symmetric positive semidefinite matrices (..., n, n), eigenvalues floored at 1e-9 of the largest."""
    values, vectors = np.linalg.eigh(matrix)
    floor = np.maximum(values[..., -1:] * 1e-9, np.finfo(np.float64).tiny)
    scaled: Array = (vectors / np.maximum(values, floor)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return scaled


def descend(
    moments: Moments,
    start: Factors,
    compose: Callable[[Factors], Array],
    sweep: Callable[[Factors], Factors],
    sweeps: int,
) -> Factors:
    """Repeat `sweep` until it gains less than 0.01 % or `sweeps` is reached; what does not gain is not kept."""
    best, error = start, moments.error(compose(start))
    for _ in range(sweeps):
        candidate = sweep(best)
        new_error = moments.error(compose(candidate))
        if not new_error < error:
            break
        best, gain, error = candidate, error - new_error, new_error
        if gain <= _ENOUGH * error:
            break
    return best

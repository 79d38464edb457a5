"""The steps that the fits of all forms share: a linear least-squares problem solved exactly or by conjugate gradients.

Conjugate gradients started at x never leave the objective above where it stood at x, which is what keeps every sweep
monotone even when it is stopped early (Nocedal and Wright, Numerical Optimization, theorem 5.2).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convprof.moments import Moments
from convprof.records.factors import Array, Factors

_STEPS = 12
_TOLERANCE = 1e-4
_ENOUGH = 1e-4
_FLAT = 1e-14


def solve(normal: Array, right: Array) -> Array:
    """Solve X normal = right for X (rows, n), normal (n, n) symmetric positive semidefinite.

    The unknowns are scaled so that the diagonal is 1 (van der Sluis 1969): weak features are solved for as exactly as
    strong ones. An unknown that the normal matrix does not see comes out as 0.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    diagonal = np.diagonal(normal)
    seen = diagonal > 0
    scale = np.where(seen, 1 / np.sqrt(np.where(seen, diagonal, 1.0)), 0.0)
    scaled = scale[:, None] * (normal + normal.T) / 2 * scale
    wanted = right * scale
    for floor in (1e-12, 1e-9, 1e-6):
        try:
            factor = cho_factor(scaled + np.diag(np.where(seen, floor, 1.0)), lower=True)
        except LinAlgError:
            continue
        solution: Array = cho_solve(factor, wanted.T).T * scale
        return solution
    fallback: Array = (np.linalg.lstsq(scaled, wanted.T, rcond=1e-9)[0].T * scale).astype(np.float64)
    return fallback


def conjugate_gradients(
    apply: Callable[[Array], Array],
    right: Array,
    start: Array,
    precondition: Callable[[Array], Array],
    steps: int = _STEPS,
) -> Array:
    """At most `steps` preconditioned conjugate-gradient steps on apply(x) = right from `start`; arrays keep shape.

    Our own because it must end, and not divide by zero, at a direction without curvature: what the data never excited.
    """
    solution, residual = start, right - apply(start)
    direction, before = np.zeros_like(start), 1.0
    for _ in range(steps):
        preconditioned = precondition(residual)
        now = float(np.vdot(residual, preconditioned))
        if now <= 0 or np.linalg.norm(residual) <= _TOLERANCE * np.linalg.norm(right):
            break
        direction = preconditioned + now / before * direction
        image = apply(direction)
        curvature = float(np.vdot(direction, image))
        if curvature <= _FLAT * np.linalg.norm(direction) * np.linalg.norm(image):
            break
        solution = solution + now / curvature * direction
        residual = residual - now / curvature * image
        before = now
    return solution


def inverse(matrix: Array) -> Array:
    """Inverse of symmetric positive semidefinite matrices (..., n, n), eigenvalues floored at 1e-9 of the largest.

    A matrix of zeros has the inverse 0: what it stands for is not there to be moved.
    """
    values, vectors = np.linalg.eigh(matrix)
    largest = values[..., -1:]
    reciprocal = np.where(largest > 0, 1 / np.maximum(values, np.where(largest > 0, largest * 1e-9, 1.0)), 0.0)
    inverted: Array = (vectors * reciprocal[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return inverted


def descend(
    moments: Moments,
    start: Factors,
    compose: Callable[[Factors], Array],
    prepare: Callable[[Factors], Factors],
    sweep: Callable[[Factors], Factors],
    sweeps: int,
) -> Factors:
    """Repeat `sweep` until it gains less than 0.01 % or `sweeps` is reached; what does not gain is not kept.

    `prepare` is the exact step that ends a sweep, done once before the first one.
    """
    if sweeps < 1:
        return start
    best = prepare(start)
    error = moments.error_of_solution(compose(best))
    for _ in range(sweeps):
        candidate = sweep(best)
        new_error = moments.error_of_solution(compose(candidate))
        if not new_error < error:
            break
        best, gain, error = candidate, error - new_error, new_error
        if gain <= _ENOUGH * error:
            break
    return best

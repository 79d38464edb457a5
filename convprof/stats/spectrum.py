"""How much of matrices their largest singular values hold, and how much of Gaussian ones: the yardstick beside it.

A random rows x columns matrix keeps part of its squared norm in its first r singular values too; an energy is news
only by how far it exceeds that. Small matrices are drawn from a seed through Bartlett's (1933) triangular factor of
their Gram matrix, whatever their long side; large ones follow the law of Marchenko and Pastur (1967), eq. 1.12.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_LARGE = 64
_DRAWS = 128
_GRID = 4096


def kept_energy(matrices: NDArray[np.floating], ranks: Sequence[int]) -> tuple[float, ...]:
    """Share of the squared norm of matrices (..., rows, columns) that each one's `rank` largest singular values hold.

    0..1, and 1 for zeros, of which nothing can be lost.
    """
    values = _spectra(matrices)
    return _shares(values.reshape(-1, values.shape[-1]).sum(axis=0), ranks)


def pooled_energy(matrices: NDArray[np.floating], ranks: Sequence[int]) -> tuple[float, ...]:
    """The same of the `rank` largest singular values of all the matrices together."""
    return _shares(np.sort(_spectra(matrices), axis=None)[::-1], ranks)


def _spectra(matrices: NDArray[np.floating]) -> NDArray[np.float64]:
    """Squared singular values by falling size, (..., smaller side), up to a common scale.

    Computed in the matrices' own precision at any scale, from the eigenvalues of the smaller Gram matrices.
    """
    scaled = matrices / (np.abs(matrices).max() or 1)
    if scaled.shape[-2] > scaled.shape[-1]:
        scaled = scaled.swapaxes(-2, -1)
    scaled = np.ascontiguousarray(scaled)
    values = np.linalg.eigvalsh(scaled @ scaled.swapaxes(-2, -1))[..., ::-1].astype(np.float64)
    return np.maximum(values, 0)


def _shares(values: NDArray[np.float64], ranks: Sequence[int]) -> tuple[float, ...]:
    """Share of their sum that the first `rank` values hold; 1 of zeros."""
    kept = np.cumsum(values)
    if kept[-1] == 0:
        return (1.0,) * len(ranks)
    return tuple(float(kept[min(rank, len(kept)) - 1] / kept[-1]) for rank in ranks)


@lru_cache(maxsize=256)
def gaussian_energy(rows: int, columns: int, rank: int) -> float:
    """Expected share of the squared norm of a rows x columns Gaussian matrix in its `rank` largest singular values."""
    small, large = min(rows, columns), max(rows, columns)
    if rank >= small:
        return 1.0
    if small > _LARGE:
        return _marchenko_pastur(small / large, rank / small)
    values = _drawn(small, large)
    return float((np.cumsum(values, axis=1) / values.sum(axis=1, keepdims=True)).mean(axis=0)[rank - 1])


@lru_cache(maxsize=256)
def gaussian_pooled_energy(count: int, rows: int, columns: int, rank: int) -> float:
    """The same for the `rank` largest singular values of `count` such matrices together."""
    small, large = min(rows, columns), max(rows, columns)
    share = rank / (count * small)
    if share >= 1:
        return 1.0
    if small > _LARGE:
        return _marchenko_pastur(small / large, share)
    kept = np.cumsum(np.sort(_drawn(small, large), axis=None)[::-1])
    return float(kept[max(round(share * len(kept)), 1) - 1] / kept[-1])


@lru_cache(maxsize=64)
def _drawn(small: int, large: int) -> NDArray[np.float64]:
    """Squared singular values of seeded draws, by falling size: (draws, small)."""
    random = np.random.default_rng(0)
    factor = np.tril(random.standard_normal((_DRAWS, small, small)), -1)
    place = np.arange(small)
    factor[:, place, place] = np.sqrt(random.chisquare(large - place, (_DRAWS, small)))
    return _spectra(factor)


def _marchenko_pastur(aspect: float, share: float) -> float:
    """Share of the trace in the top `share` of the eigenvalues, for an aspect ratio at most 1."""
    low, high = (1 - aspect**0.5) ** 2, (1 + aspect**0.5) ** 2
    angle = np.linspace(0, np.pi, _GRID)
    value = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    # Density times d(value) in the angle: the square roots at both edges become sin^2 and lose their singularity.
    weight = ((high - low) / 2 * np.sin(angle)) ** 2 / (2 * np.pi * aspect * np.maximum(value, 1e-12))
    count = np.concatenate([[0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)])
    energy = np.concatenate([[0.0], np.cumsum((weight[1:] * value[1:] + weight[:-1] * value[:-1]) / 2)])
    return float(np.interp(share, count / count[-1], energy / energy[-1]))

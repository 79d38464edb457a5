"""How far one set of outputs is from another, as one number that adds up over small causes."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


def are_class_scores(output: Values) -> bool:
    """Whether `output` is a classifier's: float, (n, classes) or (n, classes, 1, ...), two classes or more."""
    return output.dtype.kind == "f" and output.ndim >= 2 and output.shape[1] >= 2 and set(output.shape[2:]) <= {1}


def relative_square(original: Values, other: Values) -> float:
    """|b - a|^2 / |a|^2 with a the original; infinite where there is nothing to compare with, or no number."""
    a, b = original.astype(np.float64), other.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error, power = float(np.square(b - a).sum()), float(np.square(a).sum())
    if error == 0:
        return 0.0
    return error / power if power > 0 else inf


def kl_divergence(original: Values, other: Values) -> float:
    """Mean of KL(softmax a || softmax b) over the samples, in nats, a being the original; never below 0."""
    a, b = _log_shares(original), _log_shares(other)
    with np.errstate(invalid="ignore"):
        return max(float((np.exp(a) * (a - b)).sum(axis=1).mean()), 0.0)


def _log_shares(scores: Values) -> NDArray[np.float64]:
    """Logarithm of the softmax; of scores that are shares already, of these themselves."""
    flat = scores.reshape(len(scores), -1).astype(np.float64)
    if flat.min() >= 0 and np.allclose(flat.sum(axis=1), 1, atol=1e-3):
        flat = np.log(np.maximum(flat, np.finfo(np.float32).tiny))
    with np.errstate(invalid="ignore"):
        flat = flat - flat.max(axis=1, keepdims=True)
        shares: NDArray[np.float64] = flat - np.log(np.exp(flat).sum(axis=1, keepdims=True))
    return shares

"""Outputs of classifiers: which are, and the class that each sample gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


def is_class_scores(output: Values) -> bool:
    """Tell whether an output is a classifier's: float, (n, classes) or (n, classes, 1, ...), two classes or more."""
    return output.dtype.kind == "f" and output.ndim >= 2 and output.shape[1] >= 2 and set(output.shape[2:]) <= {1}


def top1(scores: Values) -> NDArray[np.int64]:
    """Find the class of the largest score, (n,); -1 where a score is NaN, which is nobody's class."""
    flat = scores.reshape(scores.shape[0], -1)
    return np.where(np.isnan(flat).any(axis=1), -1, flat.argmax(axis=1))


def agreement(a: Values, b: Values) -> NDArray[np.bool_]:
    """Tell for each sample whether both have the same class."""
    return np.asarray((top1(a) == top1(b)) & (top1(b) >= 0))

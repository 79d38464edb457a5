"""Errors of many candidates from fits of a few: between the anchors, the error follows the energy that is lost.

The energy that a candidate loses of the kernel comes for all ranks from one decomposition; the error of a fit takes one
fit each. On log scales the second is nearly a straight line of the first, form by form and layer by layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convprof.records.factors import Array

_NOTHING = 1e-12


def anchors(lost: Sequence[float], count: int) -> list[int]:
    """Which of the candidates, given the energy that each loses, to fit: at most `count` that lose anything.

    From the cheapest one on, which loses most, over two thirds of them: dear ones take long to fit, and the line
    between the others is carried on to them. Of one alone that third which loses most.
    """
    order = [int(at) for at in np.argsort(lost, kind="stable")[::-1] if lost[at] > _NOTHING]
    if count >= len(order):
        return order
    last = len(order) - 1
    if count == 1:
        return [order[last // 3]]
    # With as many as there are steps in between, no place is taken twice.
    end = max(2 * last // 3, count - 1)
    return [order[place] for place in np.linspace(0, end, count).round().astype(int)]


def between(lost: Sequence[float], fitted: Sequence[int], errors: Sequence[float]) -> list[float]:
    """The error of each candidate, given the energy that each loses and the `errors` of those that were `fitted`.

    Straight lines on log scales, carried on beyond the ends, in proportion to the loss from a single one. Never more
    than 1 or the worst that was fitted, never rising as the loss falls, and 0 where nothing is lost.
    """
    if not fitted:
        return [0.0] * len(lost)
    ascending = sorted(zip((lost[at] for at in fitted), errors, strict=True))
    x = np.log([max(loss, _NOTHING) for loss, _ in ascending])
    y = np.log(np.maximum.accumulate([max(error, _NOTHING) for _, error in ascending]))
    at = np.log(np.maximum(lost, _NOTHING))
    found = np.exp(_line(x, y, at)).clip(0, max(1.0, *errors))
    return [0.0 if loss <= _NOTHING else float(error) for loss, error in zip(lost, found, strict=True)]


def _line(x: Array, y: Array, at: Array) -> Array:
    """Straight lines through the points (x, y), x ascending, carried on beyond both ends."""
    x, first = np.unique(x, return_index=True)
    y = y[first]
    if len(x) == 1:
        return np.asarray(y[0] + at - x[0])
    slopes = np.diff(y) / np.diff(x)
    left, right = np.minimum(at - x[0], 0), np.maximum(at - x[-1], 0)
    line: Array = np.interp(at, x, y) + left * slopes[0] + right * slopes[-1]
    return line

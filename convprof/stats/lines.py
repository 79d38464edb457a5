"""Lines through points that a few bad points cannot turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def robust_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and height of the line through points (x, y) by Theil and Sen.

    The slope is the median over all pairs with different x, the height the median of what is left. The slope is 0
    where no two x differ.
    """
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    apart = run != 0
    slopes = (y[second] - y[first])[apart] / run[apart]
    slope = float(np.median(slopes)) if slopes.size else 0.0
    return slope, float(np.median(y - slope * x))

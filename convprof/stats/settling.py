"""How long a series takes to settle: which leading values are unlike those that follow.

Caches fill, clocks rise and fall, an allocator finds its size: the first runs are unlike the others for as long as they
like, and a fixed number of warm-up runs is a guess. The rule compares medians of blocks, so that single outliers say
nothing, and only with blocks of the second half, which have had the longest time.
"""

from __future__ import annotations

import numpy as np

from convprof.stats.samples import Array

_BLOCK = 5
_FEWEST = 8 * _BLOCK


def settled(series: Array) -> int:
    """Count the leading values to leave out, in each row of (m, n), so that none of the rows starts unsettled.

    A block of 5 values is unsettled while its median lies outside those of all blocks of the second half. 0 where
    there are fewer than 40 values, and where no block of the first half is settled: such a series does not settle, it
    drifts, and leaving out a part would hide that.
    """
    blocks = series.shape[1] // _BLOCK
    if series.shape[1] < _FEWEST:
        return 0
    medians = np.median(series[:, : blocks * _BLOCK].reshape(len(series), blocks, _BLOCK), axis=2)
    first, last = medians[:, : blocks // 2], medians[:, blocks // 2 :]
    alike = (first >= last.min(axis=1, keepdims=True)) & (first <= last.max(axis=1, keepdims=True))
    starts = [int(np.argmax(row)) for row in alike if row.any()]
    return _BLOCK * max(starts, default=0)

from __future__ import annotations

import numpy as np
import pytest

from convprof.stats.samples import Sample


@pytest.mark.parametrize("values", [[], [[1.0]], [1.0, float("nan")], [float("inf")]])
def test_refuses_what_is_no_sample(values: list[float]) -> None:
    with pytest.raises(ValueError, match="sample"):
        Sample(values)


def test_keeps_its_own_read_only_copy_in_order() -> None:
    source = np.array([3, 1, 2])
    sample = Sample(source)
    source[0] = 9
    assert sample.values.tolist() == [3.0, 1.0, 2.0]
    assert sample.values.dtype == np.float64
    assert len(sample) == 3
    with pytest.raises(ValueError, match="read-only"):
        sample.values[0] = 1

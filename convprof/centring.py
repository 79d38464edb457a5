"""Original, changed network, inputs -> shifts of biases that bring back the mean of every channel's responses.

Convs are taken in the order of the graph, each in the network as shifted so far: b' = b + mean(y) - mean(y'), y being
what the original answers and y' what the changed network does, over inputs and positions (Nagel et al. 2019, arXiv
1906.04721, section 4.2 and appendix D, on inputs in place of statistics of batch normalisations).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convprof.errors import ModelError
from convprof.execution import Values, Walk
from convprof.graph import Model, find_convs
from convprof.holding import Store
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions

Array = NDArray[np.float64]


def mean_shifts(
    original: Model,
    changed: Model,
    feeds: Sequence[Mapping[str, Values]],
    options: RunOptions,
    store: Store,
    progress: Progress = silent,
) -> dict[str, Array]:
    """What to add to the biases, (N,), by the names of the convs of `changed`; nothing for means that are right.

    A conv is left out where no value of the original stands for what it makes: those two are paired by name and shape.
    `store` holds the activations. Raises ModelError for responses that are NaN or infinite.
    """
    teacher, student = (Walk(model, feeds, options, store) for model in (original, changed))
    convs = [conv for conv in find_convs(changed) if conv.refusal is None]
    shifts: dict[str, Array] = {}
    for number, conv in enumerate(convs, 1):
        target = student.target(conv.name, [each.name for each in convs[number:]])
        # The last of several chains that are added up makes no value that the original has: their sum is one.
        paired = (name for name in (conv.output_name, target.total) if _is_in_both(name, original, changed))
        if (value := next(paired, None)) is None:
            continue
        shift = _mean(teacher.reach(value)) - _mean(student.reach(value))
        if not np.isfinite(shift).all():
            raise ModelError(changed.file.path, f"{conv.name!r} answers NaN or infinity", "leave out such inputs")
        if shift.any():
            shifts[conv.name] = shift
            student.shift(value, shift)
        teacher.forget()
        student.forget()
        progress("bias", number, len(convs))
    return shifts


def _is_in_both(name: str, original: Model, changed: Model) -> bool:
    shape = changed.shapes.get(name)
    return shape is not None and original.shapes.get(name) == shape


def _mean(chunks: Iterable[Values]) -> Array:
    """The mean of every channel, axis 1, over all samples and positions."""
    total, count = np.zeros(1), 0
    for values in chunks:
        axes = (0, *range(2, values.ndim))
        total = total + values.sum(axis=axes, dtype=np.float64)
        count += values.size // values.shape[1]
    return total / count

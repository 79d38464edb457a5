"""The method `bias` of a recipe: mean responses as the original's on some inputs, kept where others are better for it.

It needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf, isfinite

import numpy as np

from convprof import verification
from convprof.centring import mean_shifts
from convprof.data import Batches
from convprof.errors import DataError, ModelError
from convprof.execution import Values, picked
from convprof.graph import Model, serialized, shift_biases
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.pipeline.recipes import BIAS
from convprof.records.progress import Progress
from convprof.records.tuning import TunedStage
from convprof.runtime import RunOptions, open_session

_SAMPLES = 512
_HOLD_OUT_EVERY = 8

Feeds = Sequence[dict[str, Values]]


def correct_biases(
    student: Model,
    teacher: Model,
    batches: Batches,
    *,
    options: RunOptions,
    timer: Callable[[], float],
    progress: Progress,
) -> tuple[Model, TunedStage]:
    """The student with its biases shifted where that brings its outputs closer on inputs held out, and what was done.

    The measure is the relative error of the outputs, their mean where there are several. Raises DataError where there
    are too few samples, ModelError where one of the models cannot be run on them.
    """
    start = timer()
    numbers = np.linspace(0, batches.count - 1, min(_SAMPLES, batches.count)).astype(int)
    held = np.arange(1, len(numbers) + 1) % _HOLD_OUT_EVERY == 0
    feeds, unseen = (picked(student, batches, numbers[part]) for part in (~held, held))
    if not feeds or not unseen:
        why = f"{batches.count} samples are too few to take means over some and hold out others"
        raise DataError(batches.what, why, "give more")
    with Store(DEFAULT_BUDGET) as store:
        shifts = mean_shifts(teacher, student, feeds, options, store, progress)
    shifted = shift_biases(student, shifts)
    error = partial(_error, teacher, feeds=unseen, options=options)
    before, after = error(student), error(shifted)
    if not isfinite(before):
        why = f"its outputs on {_count(unseen)} inputs held out are no numbers that can be compared"
        raise ModelError(student.file.path, why, "check the data and --preprocess")
    better = after < before
    stage = TunedStage(
        method=BIAS,
        samples=_count(feeds),
        held_out=_count(unseen),
        steps=len(shifts),
        epochs=1.0,
        minutes=(timer() - start) / 60,
        measure="relative_l2",
        better="lower",
        before=before,
        after=after if better else before,
        kept=len(shifts) if better else 0,
        batch=_count(feeds[:1]),
        learning_rate=0.0,
    )
    return (shifted if better else student), stage


def _error(original: Model, converted: Model, feeds: Feeds, options: RunOptions) -> float:
    old, new = (open_session(serialized(each.program), options, what=each.file.path) for each in (original, converted))
    found = verification.compare(old, new, feeds, labels=None, metric=None, total=_count(feeds))
    errors = [each.relative_l2 for each in found.outputs if each.relative_l2 is not None]
    return sum(errors) / len(errors) if errors and all(each.finite for each in found.outputs) else inf


def _count(feeds: Feeds) -> int:
    return sum(len(next(iter(feed.values()))) for feed in feeds)

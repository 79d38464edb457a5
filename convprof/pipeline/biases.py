"""The method `bias` of a recipe: mean responses as the original's on some inputs, kept where others are better for it.

It needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from convprof import verification
from convprof.centring import mean_shifts
from convprof.data import Batches
from convprof.errors import DataError, ModelError
from convprof.execution import Values, affordable, picked
from convprof.graph import Model, serialized, shift_biases
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.pipeline.recipes import BIAS
from convprof.records.fidelity import Fidelity
from convprof.records.progress import Progress
from convprof.records.tuning import TunedStage
from convprof.runtime import RunOptions, open_session

_SAMPLES = 1024

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

    The measure is how often the class is the original's, for other outputs their relative error; the mean where there
    are several. Raises DataError where there are too few samples, ModelError where one of the models cannot be run on
    them.
    """
    start = timer()
    numbers = np.linspace(0, batches.count - 1, affordable(batches, _SAMPLES)).astype(int)
    feeds, unseen = (picked(student, batches, numbers[half::2]) for half in (0, 1))
    if not feeds or not unseen:
        why = f"{batches.count} samples are too few to take means over some and hold out others"
        raise DataError(batches.what, why, "give more")
    with Store(DEFAULT_BUDGET) as store:
        shifts = mean_shifts(teacher, student, feeds, options, store, progress)
    shifted = shift_biases(student, shifts)
    first, second = (_compared(teacher, each, unseen, options) for each in (student, shifted))
    if not _finite(first):
        why = f"its outputs on {_count(unseen)} inputs held out are no numbers that can be compared"
        raise ModelError(student.file.path, why, "check the data and --preprocess")
    classes = all(each.top1_agreement is not None for each in first.outputs)
    before, after = (_measure(each, classes) for each in (first, second))
    better = _finite(second) and (after > before if classes else after < before)
    stage = TunedStage(
        method=BIAS,
        samples=_count(feeds),
        held_out=_count(unseen),
        steps=len(shifts),
        epochs=1.0,
        minutes=(timer() - start) / 60,
        measure="agreement" if classes else "relative_l2",
        better="higher" if classes else "lower",
        before=before,
        after=after if better else before,
        kept=len(shifts) if better else 0,
        batch=_count(feeds[:1]),
        learning_rate=0.0,
    )
    return (shifted if better else student), stage


def _compared(original: Model, converted: Model, feeds: Feeds, options: RunOptions) -> Fidelity:
    old, new = (open_session(serialized(each.program), options, what=each.file.path) for each in (original, converted))
    return verification.compare(old, new, feeds, labels=None, metric=None, total=_count(feeds))


def _finite(found: Fidelity) -> bool:
    return all(each.finite for each in found.outputs) and any(each.relative_l2 is not None for each in found.outputs)


def _measure(found: Fidelity, classes: bool) -> float:
    values = [each.top1_agreement if classes else each.relative_l2 for each in found.outputs]
    known = [each for each in values if each is not None]
    return sum(known) / len(known)


def _count(feeds: Feeds) -> int:
    return sum(len(next(iter(feed.values()))) for feed in feeds)

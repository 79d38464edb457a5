"""The stage: batches stream through both models, and nothing of a batch is kept but sums and scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from convprof import frames
from convprof.errors import DataError, ModelError, UsageError
from convprof.records.fidelity import Fidelity
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark
from convprof.runtime import Session
from convprof.verification.metrics import Meter, meter_for
from convprof.verification.outputs import Difference

Values = NDArray[Any]


def compare(
    before: Session,
    after: Session,
    batches: Iterable[dict[str, Values]],
    *,
    labels: Values | None,
    metric: str | None,
    peak: float = 1.0,
    seed: int = 0,
    progress: Progress = silent,
    total: int,
) -> Fidelity:
    """Run both models on `batches`, feeds with samples on axis 0, `total` of them, and compare all outputs.

    The metric judges the first output:

    - `top1`: share of samples whose argmax is their label; `labels` are classes, integers (total,)
    - `agreement`: share of samples with the argmax of the original, which so stands at 1 itself
    - `psnr`: mean over the samples of 10 log10(peak^2 / mean squared error), dB; `labels` are what the output should
      be, (total, ...)
    - `package.module:function`: called as function(outputs, labels) with a dict of arrays and the labels of one batch,
      or None; returns one score a sample, (n,), or one number for the batch, which then counts n times and leaves no
      interval

    Without `metric`, labels decide: `top1` for classes, `psnr` for pictures. `seed` decides the resamples of the
    interval.

    Raises ModelError where a model cannot be run or the two disagree on an output, DataError where data, labels or a
    metric's scores do not fit, and UsageError for a metric that is not known.
    """
    _check_names(before, after)
    _check_length(labels, total)
    if not peak > 0:
        raise UsageError("peak", f"{peak} is no largest value", "give a number above 0")
    outputs = {name: Difference() for name in before.outputs}
    meter: Meter | None = None
    done = 0
    for feeds in batches:
        old, new = before.run(feeds), after.run(feeds)
        _check_shapes(old, new, after.what)
        count = _samples(feeds)
        frame = frames.find(feeds, old) if done == 0 else None
        if frame is not None and frame.kind == "classes":
            outputs[frame.output].map = frame
        for name, difference in outputs.items():
            difference.add(old[name], new[name], count)
        meter = meter or meter_for(metric, labels, old[before.outputs[0]], before.outputs[0], peak)
        if meter:
            meter.add(old, new, _next_labels(labels, done, count), count)
        done += count
        progress("verify", done, total)
    if done == 0:
        raise DataError("data", "it holds no samples", "give one or more")
    _check_length(labels, done)
    change = meter.change(seed) if meter else None
    return Fidelity(
        schema="convprof.fidelity/1",
        samples=done,
        outputs=tuple(difference.record(name) for name, difference in outputs.items()),
        metric=change,
        notices=() if change or not meter else (_not_finite(meter.name),),
    )


def _not_finite(metric: str) -> Remark:
    text = f"{metric} has no value, for some score is NaN or infinite: see which output is not finite"
    return Remark("metric-not-finite", text)


def _samples(feeds: Mapping[str, Values]) -> int:
    """Count the samples of a batch."""
    return len(next(iter(feeds.values())))


def _check_names(before: Session, after: Session) -> None:
    if set(before.outputs) != set(after.outputs):
        why = f"its outputs are {', '.join(after.outputs)} and those of {before.what} {', '.join(before.outputs)}"
        raise ModelError(after.what, why, "compare a model with one rewritten from it")


def _check_shapes(old: Mapping[str, Values], new: Mapping[str, Values], what: str) -> None:
    for name, value in old.items():
        if new[name].shape != value.shape:
            why = f"output {name!r} has shape {new[name].shape}, and {value.shape} in the original"
            raise ModelError(what, why, "compare a model with one rewritten from it")


def _next_labels(labels: Values | None, done: int, count: int) -> Values | None:
    """Take the labels of the batch after `done` samples."""
    if labels is not None and len(labels) < done + count:
        _check_length(labels, done + count)
    return None if labels is None else labels[done : done + count]


def _check_length(labels: Values | None, samples: int) -> None:
    if labels is not None and labels.shape[:1] != (samples,):
        why = f"there are {len(labels) if labels.ndim else 0} for {samples} samples"
        raise DataError("labels", why, "give one a sample")

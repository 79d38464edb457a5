"""How close two models are on data, output by output, and what that does to the user's metric.

Batches stream through both models; kept are sums, two scores a sample, and how far each output of it moved.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof import frames
from convprof.errors import DataError, ModelError, UsageError
from convprof.frames import Frame
from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity, Place, SampleFidelity
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark
from convprof.runtime import Session
from convprof.stats.comparison import paired_difference, relative_norm
from convprof.stats.samples import Sample

Values = NDArray[Any]
Outputs = Mapping[str, Values]
Array = NDArray[np.float64]
Score = Callable[[Outputs, Outputs, Values | None], Array]
"""Maps a model's outputs, the original's and the labels of n samples to scores, (n,), or () for one a batch."""

METRICS = ("top1", "agreement", "psnr")
"""The metrics that are here by name; any other is `package.module:function`."""

_OTHERS = f"known are {', '.join(METRICS)} and package.module:function"
_SMALLEST_ERROR = 1e-10
"""Mean squared error, as a share of peak^2, below which PSNR stays at 100 dB: equal pictures would have no number."""


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
    outputs = {name: _Difference() for name in before.outputs}
    meter: _Meter | None = None
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
        meter = meter or _meter(metric, labels, old[before.outputs[0]], before.outputs[0], peak)
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


@dataclass
class _Difference:
    """Running sums over the values of one output, `a` before and `b` after, and the mean square for each sample."""

    max_abs: float = 0.0
    squared_error: float = 0.0
    squared_original: float = 0.0
    finite: bool = True
    numeric: bool = True
    agreeing: int = 0
    judged: int = 0
    classifies: bool = True
    by_sample: bool = True
    map: Frame | None = None
    squares: list[Array] = field(default_factory=list)
    changed: list[Array] = field(default_factory=list)

    def add(self, a: Values, b: Values, count: int) -> None:
        """Take in one batch of `count` samples."""
        self.classifies = self.classifies and _is_class_scores(a)
        if self.classifies:
            self.agreeing += int(_agreement(a, b).sum())
            self.judged += len(a)
        self.numeric = self.numeric and a.dtype.kind in "fiub" and b.dtype.kind in "fiub"
        if not self.numeric or not a.size:
            self.by_sample = False
            return
        self.finite = self.finite and bool(np.isfinite(b).all())
        original = a.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # infinities are reported, not warned of
            error = b.astype(np.float64) - original
            self.max_abs = float(np.maximum(self.max_abs, np.abs(error).max()))
            squares = np.square(error)
            self.squared_error += float(squares.sum())
            self.by_sample = self.by_sample and squares.shape[:1] == (count,)
            if self.by_sample:
                self.squares.append(squares.reshape(count, -1).mean(axis=1))
                if self.map is not None:
                    other = self.map.classes(a) != self.map.classes(b)
                    self.changed.append(other.reshape(count, -1).mean(axis=1))
            self.squared_original += float(np.square(original).sum())

    def record(self, name: str) -> OutputFidelity:
        """Report the figures that exist: none for strings, no ratio to an original that is all zeros."""
        error, original = math.sqrt(self.squared_error), math.sqrt(self.squared_original)
        relative = relative_norm(error, original) if self.numeric else None
        return OutputFidelity(
            name=name,
            max_abs=_finite(self.max_abs) if self.numeric else None,
            relative_l2=relative,
            sqnr_db=-20 * math.log10(relative) if relative else None,
            top1_agreement=self.agreeing / self.judged if self.classifies and self.judged else None,
            finite=self.finite,
            samples=self._extremes() if self.by_sample and self.squares else (),
        )

    def _extremes(self) -> tuple[SampleFidelity, ...]:
        """The samples at both ends and in the middle; one whose difference is not a number has moved most.

        Of a map of classes, by the share of pixels that have another class.
        """
        squares = np.concatenate(self.squares)
        changed = np.concatenate(self.changed) if self.changed else None
        order = np.argsort(squares if changed is None else changed, kind="stable").tolist()
        last = len(order) - 1
        # The later entry wins: of two samples there is a best and a worst one, a single one is the worst.
        places: dict[int, Place] = {last // 2: "median", 0: "best", last: "worst"}
        return tuple(
            SampleFidelity(
                places[at],
                order[at],
                _finite(math.sqrt(squares[order[at]])),
                None if changed is None else float(changed[order[at]]),
            )
            for at in sorted(places, reverse=True)
        )


class _Meter:
    """Collects the scores of one metric."""

    def __init__(self, name: str, score: Score) -> None:
        self.name = name
        self._score = score
        self._before: list[Array] = []
        self._after: list[Array] = []
        self._one_a_batch = False

    def add(self, old: Outputs, new: Outputs, labels: Values | None, count: int) -> None:
        """Score one batch of `count` samples; raises DataError for scores of any other number."""
        for outputs, kept in ((old, self._before), (new, self._after)):
            scores = self._score(outputs, old, labels)
            if scores.shape not in ((), (count,)):
                why = f"it returned scores of shape {scores.shape} for {count} samples"
                raise DataError(f"metric {self.name}", why, "return one score a sample, or one number")
            self._one_a_batch = self._one_a_batch or scores.ndim == 0
            kept.append(np.broadcast_to(scores, (count,)))

    def change(self, seed: int) -> MetricChange | None:
        """Average the scores and compare them; None where one is not finite."""
        before, after = np.concatenate(self._before), np.concatenate(self._after)
        if not (np.isfinite(before).all() and np.isfinite(after).all()):
            return None
        difference, interval = paired_difference(Sample(before), Sample(after), seed)
        return MetricChange(
            name=self.name,
            before=float(before.mean()),
            after=float(after.mean()),
            difference=difference,
            interval=None if self._one_a_batch else interval,
        )


def _meter(metric: str | None, labels: Values | None, output: Values, name: str, peak: float) -> _Meter | None:
    """Choose the metric by name, or by what the labels look like beside the first `output`, called `name`."""
    chosen = metric or (_metric_for(labels, output, name) if labels is not None else None)
    if chosen is None:
        return None
    if ":" in chosen:
        return _Meter(chosen, _user_score(chosen))
    if chosen not in METRICS:
        raise UsageError(f"metric {chosen}", "there is none of that name", _OTHERS)
    if chosen != "agreement" and labels is None:
        raise UsageError(f"metric {chosen}", "it needs labels and the data has none", "give labels, or use agreement")
    if chosen == "psnr":
        return _Meter(chosen, _psnr_score(name, peak))
    if not _is_class_scores(output):
        why = f"output {name!r} of shape {output.shape} holds no class scores (n, classes)"
        raise UsageError(f"metric {chosen}", why, "use psnr or package.module:function")
    return _Meter(chosen, _agreement_score(name) if chosen == "agreement" else _top1_score(name))


def _metric_for(labels: Values, output: Values, name: str) -> str:
    """Tell the metric from the labels: classes or pictures."""
    if _are_classes(labels) and _is_class_scores(output):
        return "top1"
    if labels.shape[1:] == output.shape[1:]:
        return "psnr"
    why = f"labels of shape {labels.shape} ({labels.dtype}) and output {name!r} of shape {output.shape} suggest none"
    raise UsageError("metric", why, _OTHERS)


def _top1_score(output: str) -> Score:
    def score(outputs: Outputs, original: Outputs, labels: Values | None) -> Array:
        if labels is None or not _are_classes(labels):
            raise DataError("labels", "top1 needs classes, integers (samples,)", "give one class a sample")
        classes = outputs[output].shape[1]
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            why = f"{labels.min()} to {labels.max()} do not all lie within the model's classes 0 to {classes - 1}"
            raise DataError("labels", why, "give the number of the output that stands for the class")
        return np.asarray(_top1(outputs[output]) == labels, dtype=np.float64)

    return score


def _agreement_score(output: str) -> Score:
    def score(outputs: Outputs, original: Outputs, labels: Values | None) -> Array:
        return _agreement(original[output], outputs[output]).astype(np.float64)

    return score


def _psnr_score(output: str, peak: float) -> Score:
    def score(outputs: Outputs, original: Outputs, labels: Values | None) -> Array:
        values = outputs[output]
        if labels is None or labels.shape != values.shape:
            why = f"psnr compares them with output {output!r} of shape {values.shape}"
            raise DataError("labels", why, "give pictures of that shape, in the units of the output")
        with np.errstate(over="ignore", invalid="ignore"):  # infinities are reported, not warned of
            error = np.square(values.astype(np.float64) - labels).reshape(len(values), -1).mean(axis=1) / peak**2
        return np.asarray(-10 * np.log10(np.maximum(error, _SMALLEST_ERROR)))

    return score


def _user_score(metric: str) -> Score:
    """Import the function called `package.module:function`; what it raises becomes a DataError that names it."""
    module, _, name = metric.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module may fail in any way while it is imported
        raise UsageError(f"metric {metric}", f"it cannot be imported: {error}", _OTHERS) from error

    def score(outputs: Outputs, original: Outputs, labels: Values | None) -> Array:
        try:
            return np.asarray(function(dict(outputs), labels), dtype=np.float64)
        except Exception as error:  # the user's code may raise anything
            why = f"it failed with {type(error).__name__}: {error}"
            raise DataError(f"metric {metric}", why, "correct the function") from error

    return score


def _not_finite(metric: str) -> Remark:
    text = f"{metric} has no value, for some score is NaN or infinite: see which output is not finite"
    return Remark("metric-not-finite", text)


def _is_class_scores(output: Values) -> bool:
    """Tell whether an output is a classifier's: float, (n, classes) or (n, classes, 1, ...), two classes or more."""
    return output.dtype.kind == "f" and output.ndim >= 2 and output.shape[1] >= 2 and set(output.shape[2:]) <= {1}


def _are_classes(labels: Values) -> bool:
    return labels.ndim == 1 and labels.dtype.kind in "iu"


def _top1(scores: Values) -> NDArray[np.int64]:
    """Find the class of the largest score, (n,); -1 where a score is NaN, which is nobody's class."""
    flat = scores.reshape(scores.shape[0], -1)
    return np.where(np.isnan(flat).any(axis=1), -1, flat.argmax(axis=1))


def _agreement(a: Values, b: Values) -> NDArray[np.bool_]:
    """Tell for each sample whether both have the same class."""
    return np.asarray((_top1(a) == _top1(b)) & (_top1(b) >= 0))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _samples(feeds: Mapping[str, Values]) -> int:
    """Count the samples of a batch."""
    return len(next(iter(feeds.values())))


def _check_names(before: Session, after: Session) -> None:
    if set(before.outputs) != set(after.outputs):
        why = f"its outputs are {', '.join(after.outputs)} and those of {before.what} {', '.join(before.outputs)}"
        raise ModelError(after.what, why, "compare a model with one rewritten from it")


def _check_shapes(old: Outputs, new: Outputs, what: str) -> None:
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

"""The user's metric: chosen by name or by what the labels look like, and its scores before and after."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof.errors import DataError, UsageError
from convprof.records.fidelity import MetricChange
from convprof.stats.comparison import paired_difference
from convprof.stats.samples import Sample
from convprof.verification.classes import agreement, is_class_scores, top1

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


class Meter:
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


def meter_for(metric: str | None, labels: Values | None, output: Values, name: str, peak: float) -> Meter | None:
    """Choose the metric by name, or by what the labels look like beside the first `output`, called `name`."""
    chosen = metric or (_metric_for(labels, output, name) if labels is not None else None)
    if chosen is None:
        return None
    if ":" in chosen:
        return Meter(chosen, _user_score(chosen))
    if chosen not in METRICS:
        raise UsageError(f"metric {chosen}", "there is none of that name", _OTHERS)
    if chosen != "agreement" and labels is None:
        raise UsageError(f"metric {chosen}", "it needs labels and the data has none", "give labels, or use agreement")
    if chosen == "psnr":
        return Meter(chosen, _psnr_score(name, peak))
    if not is_class_scores(output):
        why = f"output {name!r} of shape {output.shape} holds no class scores (n, classes)"
        raise UsageError(f"metric {chosen}", why, "use psnr or package.module:function")
    return Meter(chosen, _agreement_score(name) if chosen == "agreement" else _top1_score(name))


def _metric_for(labels: Values, output: Values, name: str) -> str:
    """Tell the metric from the labels: classes or pictures."""
    if _are_classes(labels) and is_class_scores(output):
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
        return np.asarray(top1(outputs[output]) == labels, dtype=np.float64)

    return score


def _agreement_score(output: str) -> Score:
    def score(outputs: Outputs, original: Outputs, labels: Values | None) -> Array:
        return agreement(original[output], outputs[output]).astype(np.float64)

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


def _are_classes(labels: Values) -> bool:
    return labels.ndim == 1 and labels.dtype.kind in "iu"

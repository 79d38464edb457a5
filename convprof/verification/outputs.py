"""How far one output has moved: running sums over batches, and of each sample how far it moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof.frames import Frame
from convprof.records.fidelity import OutputFidelity, Place, SampleFidelity
from convprof.stats.comparison import relative_norm
from convprof.verification.classes import agreement, is_class_scores

Values = NDArray[Any]
Array = NDArray[np.float64]


@dataclass
class Difference:
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
        self.classifies = self.classifies and is_class_scores(a)
        if self.classifies:
            self.agreeing += int(agreement(a, b).sum())
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


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

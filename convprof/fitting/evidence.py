"""What one layer sees in the converted network and what it should answer there, with a part held out for choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from math import prod

import numpy as np
from numpy.typing import NDArray

from convprof.execution import Values, Walk
from convprof.fitting.behind import ActivatedResponse
from convprof.fitting.curves import Curve, curve, grid
from convprof.fitting.levels import Level
from convprof.graph import ConvNode, Target
from convprof.moments import Gatherer, Moments, Rows, pooled, positions_per_input
from convprof.records.convs import ConvSpec

ROWS_PER_UNKNOWN = 40
_KEPT_BYTES = 1 << 28
_KEPT_PER_UNKNOWN = 6
_KEPT_AT_LEAST = 1 << 13
_KEPT_ENOUGH = 4
_HOLD_OUT_EVERY = 8
_FEW_SAMPLES = 256
_FEW_ROWS_PER_UNKNOWN = 10


@dataclass(frozen=True)
class Part:
    """Moments of what the converted network shows the layer and, where asked for, of what the original showed it.

    `behind` is there where an activation follows and there are enough rows to fit to what it makes of them.
    """

    student: Moments
    teacher: Moments | None = None
    behind: ActivatedResponse | None = None

    def mixed(self, teacher_share: float) -> Moments:
        """Moments of which `teacher_share` (0, 1/2 or 1) come from the original network's inputs."""
        if self.teacher is None or teacher_share == 0:
            return self.student
        return self.teacher if teacher_share == 1 else pooled([self.student, self.teacher])

    def __add__(self, other: Part) -> Part:
        """Both parts as one."""
        return Part(
            pooled([self.student, other.student]),
            pooled([self.teacher, other.teacher]) if self.teacher and other.teacher else None,
            self.behind + other.behind if self.behind and other.behind else None,
        )


@dataclass(frozen=True)
class Evidence:
    """The part to fit on, and the part held out (None for a single input).

    `few` says that there is too little of it to trust a fit unseen.
    """

    train: Part
    held: Part | None
    few: bool

    @cached_property
    def whole(self) -> Part:
        """Everything."""
        return self.train if self.held is None else self.train + self.held


@dataclass(frozen=True)
class Task:
    """One layer to fit, where its response goes, and how its inputs are sampled."""

    conv: ConvNode
    target: Target
    samples: int
    seed: int
    level: Level

    def advance(self, teacher: Walk, student: Walk) -> None:
        """Walk to where the layer is fitted, in the same steps whether it will be or not.

        Values differ in the last bits where a network is cut at other places.
        """
        if self._asks_teacher:
            teacher.reach(self.conv.input_name)
        teacher.reach(self.target.total)
        if self.target.other is not None:
            student.reach(self.target.other)
        student.reach(self.conv.input_name)

    def gather(self, teacher: Walk, student: Walk) -> Evidence:
        """Sample positions of every input of both networks, which stand where `advance` left them.

        Raises DataError where the layer sees or answers NaN or infinity.
        """
        original = None
        if self._asks_teacher:
            original = _Gathering(self, keep=False)
            for inputs in teacher.reach(self.conv.input_name):
                original.add_dense(inputs)
        if original is not None and self.level == Level.SYMMETRIC:
            return Evidence(original.train(None, None), None, few=False)
        behind = self.target.activated is not None and self.level >= Level.ACTIVATED
        seen = _Gathering(self, keep=behind and self.rows >= _KEPT_ENOUGH * self.unknowns)
        totals = teacher.reach(self.target.total)
        others: Iterable[Values | None] = repeat(None)
        if self.target.other is not None:
            others = student.reach(self.target.other)
        for inputs, total, other in zip(student.reach(self.conv.input_name), totals, others, strict=False):
            seen.add(inputs, total, other)
        bent = _curve(teacher, self.target, seen.rows[0]) if seen.rows else None
        return Evidence(seen.train(original, bent), seen.held(original, bent), self.few)

    @property
    def spec(self) -> ConvSpec:
        """Geometry of the layer."""
        return self.conv.known_site.spec

    @property
    def unknowns(self) -> int:
        """Unknowns of the regression of one response."""
        return prod(self.spec.weight_shape[1:])

    @property
    def positions(self) -> int:
        """Output positions to sample of each input, where there are so many."""
        return positions_per_input(self.spec.weight_shape, self.samples, ROWS_PER_UNKNOWN)

    @property
    def rows(self) -> int:
        """Positions sampled of all inputs together."""
        return self.samples * min(self.positions, prod(self.conv.known_site.output_size))

    @property
    def few(self) -> bool:
        """Whether there is too little data to trust a fit unseen."""
        return self.samples < _FEW_SAMPLES or self.rows < _FEW_ROWS_PER_UNKNOWN * self.unknowns

    @property
    def hold_out_every(self) -> int | None:
        """Every how many inputs one is held out; None where none is."""
        return min(_HOLD_OUT_EVERY, self.samples) if self.samples > 1 and self.level >= Level.HELD_OUT else None

    @property
    def keep_every(self) -> int:
        """Which rows are kept one by one, so that they fit into memory and into the time that the rest takes."""
        row_bytes = 4 * (self.unknowns + 2 * self.spec.out_channels)
        kept = min(max(_KEPT_AT_LEAST, _KEPT_PER_UNKNOWN * self.unknowns), _KEPT_BYTES // row_bytes)
        return max(1, self.rows // kept)

    @property
    def _asks_teacher(self) -> bool:
        """Whether the inputs that the layer had in the original network are of use."""
        return self.level == Level.SYMMETRIC or (self.level >= Level.HELD_OUT and self.few)


class _Gathering:
    """Two gatherers, one for the inputs held out, filled chunk by chunk."""

    def __init__(self, task: Task, *, keep: bool) -> None:
        self._conv = task.conv
        self._kernel = task.conv.kernel().astype(np.float64)
        self._samples = 0
        self._hold_out_every = task.hold_out_every
        self._keep = keep
        every, layer = task.keep_every if keep else None, f"layer {task.conv.name!r}"
        self._parts = [
            Gatherer(task.spec, task.positions, 2 * task.seed + number, keep_every=every, layer=layer)
            for number in (0, 1)
        ]

    def add(self, inputs: Values, total: Values, other: Values | None) -> None:
        """One chunk of inputs, of what the sum behind the layer should be, and of what is added to the response."""
        target = total if other is None else total - other
        for gatherer, chosen in self._split(len(inputs)):
            gatherer.add(inputs[chosen], target[chosen], None if other is None else other[chosen])

    def add_dense(self, inputs: Values) -> None:
        """One chunk of inputs, answered by the original conv."""
        for gatherer, chosen in self._split(len(inputs)):
            gatherer.add_inputs(inputs[chosen], self._kernel, self._conv.bias())

    @cached_property
    def rows(self) -> list[Rows]:
        """The rows kept of the part to fit on and of the part held out; none where none are."""
        used = self._parts if self._hold_out_every else self._parts[:1]
        return [part.rows() for part in used] if self._keep else []

    def train(self, original: _Gathering | None, bent: Curve | None) -> Part:
        """The part to fit on, with the activation behind it."""
        return self._part(0, original, bent)

    def held(self, original: _Gathering | None, bent: Curve | None) -> Part | None:
        """The part held out."""
        return None if self._hold_out_every is None else self._part(1, original, bent)

    def _part(self, number: int, original: _Gathering | None, bent: Curve | None) -> Part:
        gatherer = self._parts[number]
        teacher = None if original is None else original._parts[number].moments()
        return Part(gatherer.moments(), teacher, ActivatedResponse(self.rows[number], bent) if bent else None)

    def _split(self, count: int) -> list[tuple[Gatherer, NDArray[np.bool_]]]:
        every, numbers = self._hold_out_every, np.arange(self._samples, self._samples + count)
        self._samples += count
        held = np.zeros(count, bool) if every is None else numbers % every == every - 1
        return [(part, mask) for part, mask in zip(self._parts, (~held, held), strict=True) if mask.any()]


def _curve(teacher: Walk, target: Target, rows: Rows) -> Curve | None:
    """The activation behind the target, asked of the original network over the range of its totals."""
    if target.activated is None:
        return None
    points, values = teacher.table(target.total, target.activated, grid(rows.responses + rows.others))
    return curve(points, values)

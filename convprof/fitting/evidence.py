"""What one layer sees in the converted network and what it should answer there, with a part held out for choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from math import prod

import numpy as np
from numpy.typing import NDArray

from convprof.execution import Values, Walk
from convprof.fitting.curves import Curve, curve, grid
from convprof.fitting.levels import Level
from convprof.graph import ConvNode, Target
from convprof.moments import Gatherer, Moments, Rows, joined, pooled, positions_per_input
from convprof.records.convs import ConvSpec

ROWS_PER_UNKNOWN = 40
KEPT_BYTES = 1 << 28
_KEPT_PER_UNKNOWN = 10
_KEPT_AT_LEAST = 1 << 13
_KEPT_ENOUGH = 4
_HOLD_OUT_EVERY = 8
_FEW_SAMPLES = 256
_FEW_ROWS_PER_UNKNOWN = 10


@dataclass(frozen=True)
class Part:
    """Moments of what the converted network shows the layer and, where asked for, of what the original showed it.

    `rows` are there where an activation follows and there are enough of them.
    """

    student: Moments
    teacher: Moments | None = None
    rows: Rows | None = None

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
            joined([self.rows, other.rows]) if self.rows and other.rows else None,
        )


@dataclass(frozen=True)
class Evidence:
    """The part to fit on, the part held out (None for a single input), and the activation behind, if any.

    `few` says that there is too little of it to trust a fit unseen.
    """

    train: Part
    held: Part | None
    curve: Curve | None
    few: bool

    @property
    def whole(self) -> Part:
        """Everything."""
        return self.train if self.held is None else self.train + self.held


def gather(
    conv: ConvNode, target: Target, teacher: Walk, student: Walk, samples: int, seed: int, level: Level
) -> Evidence:
    """Walk both networks up to the layer and its target, and sample positions of every input.

    Raises DataError where the layer sees or answers NaN or infinity.
    """
    sampling = _sampling(conv, samples, seed, held_out=level >= Level.HELD_OUT)
    original = None
    if level == Level.SYMMETRIC or (level >= Level.HELD_OUT and sampling.few):
        original = _Gathering(sampling)
        for inputs in teacher.reach(conv.input_name):
            original.add_dense(inputs, conv)
    if level == Level.SYMMETRIC and original is not None:
        return Evidence(original.train(), None, None, few=False)
    behind = target.activated is not None and level >= Level.ACTIVATED
    seen = _Gathering(sampling, keep=behind and sampling.rows >= _KEPT_ENOUGH * sampling.unknowns)
    totals = teacher.reach(target.total)
    others: Iterable[Values | None] = repeat(None) if target.other is None else student.reach(target.other)
    inputs_of_student = student.reach(student.conv(conv.name).input_name)
    for inputs, total, other in zip(inputs_of_student, totals, others, strict=False):
        seen.add(inputs, total, other)
    train = seen.train(original)
    return Evidence(train, seen.held(original), _curve(teacher, target, train.rows), sampling.few)


@dataclass(frozen=True)
class _Sampling:
    """How the inputs of one layer are sampled; every `every`-th input is held out, none where that is None."""

    layer: str
    spec: ConvSpec
    positions: int
    rows: int
    every: int | None
    few: bool
    seed: int

    @property
    def unknowns(self) -> int:
        """Unknowns of the regression of one response."""
        return prod(self.spec.weight_shape[1:])

    @property
    def keep_every(self) -> int:
        """Which rows are kept one by one, so that they fit into memory and into the time that the rest takes."""
        row_bytes = 4 * (self.unknowns + 2 * self.spec.out_channels)
        kept = min(max(_KEPT_AT_LEAST, _KEPT_PER_UNKNOWN * self.unknowns), KEPT_BYTES // row_bytes)
        return max(1, self.rows // kept)


def _sampling(conv: ConvNode, samples: int, seed: int, *, held_out: bool) -> _Sampling:
    site = conv.known_site
    positions = positions_per_input(site.spec.weight_shape, samples, ROWS_PER_UNKNOWN)
    rows = samples * min(positions, prod(site.output_size))
    few = samples < _FEW_SAMPLES or rows < _FEW_ROWS_PER_UNKNOWN * prod(site.spec.weight_shape[1:])
    every = min(_HOLD_OUT_EVERY, samples) if held_out and samples > 1 else None
    return _Sampling(f"layer {conv.name!r}", site.spec, positions, rows, every, few, seed)


class _Gathering:
    """Two gatherers, one for the inputs held out, filled chunk by chunk."""

    def __init__(self, sampling: _Sampling, *, keep: bool = False) -> None:
        self._sampling = sampling
        self._samples = 0
        self._keep = keep
        every = sampling.keep_every if keep else None
        self._parts = [
            Gatherer(
                sampling.spec, sampling.positions, 2 * sampling.seed + number, keep_every=every, layer=sampling.layer
            )
            for number in (0, 1)
        ]

    def add(self, inputs: Values, total: Values, other: Values | None) -> None:
        """One chunk of inputs, of what the sum behind the layer should be, and of what is added to the response."""
        target = total if other is None else total - other
        for gatherer, chosen in self._split(len(inputs)):
            gatherer.add(inputs[chosen], target[chosen], None if other is None else other[chosen])

    def add_dense(self, inputs: Values, conv: ConvNode) -> None:
        """One chunk of inputs, answered by the original conv."""
        for gatherer, chosen in self._split(len(inputs)):
            gatherer.add_inputs(inputs[chosen], conv.kernel().astype(np.float64), conv.bias())

    def train(self, original: _Gathering | None = None) -> Part:
        """The part to fit on."""
        return self._part(0, original)

    def held(self, original: _Gathering | None) -> Part | None:
        """The part held out."""
        return None if self._sampling.every is None else self._part(1, original)

    def _part(self, number: int, original: _Gathering | None) -> Part:
        gatherer = self._parts[number]
        teacher = None if original is None else original._parts[number].moments()
        return Part(gatherer.moments(), teacher, gatherer.rows() if self._keep else None)

    def _split(self, count: int) -> list[tuple[Gatherer, NDArray[np.bool_]]]:
        every, numbers = self._sampling.every, np.arange(self._samples, self._samples + count)
        self._samples += count
        held = np.zeros(count, bool) if every is None else numbers % every == every - 1
        return [(part, mask) for part, mask in zip(self._parts, (~held, held), strict=True) if mask.any()]


def _curve(teacher: Walk, target: Target, rows: Rows | None) -> Curve | None:
    """The activation behind the target, asked of the original network over the range of its totals."""
    if rows is None or target.activated is None:
        return None
    points, values = teacher.table(target.total, target.activated, grid(rows.responses + rows.others))
    return curve(points, values)

"""What one layer sees in the converted network and what it should answer there, from two walks over the graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from convprof.approximation import Evidence, Gathering, Sampling
from convprof.approximation.curves import Curve, curve, grid
from convprof.execution import Values, Walk
from convprof.fitting.levels import Level
from convprof.graph import ConvNode, Target
from convprof.moments import Rows


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
            original = self._gathering(keep=False)
            for inputs in teacher.reach(self.conv.input_name):
                original.add_dense(inputs)
        if original is not None and self.level == Level.SYMMETRIC:
            return Evidence(original.train(), None, few=False)
        behind = self.target.activated is not None and self.level >= Level.ACTIVATED
        seen = self._gathering(keep=behind and self._sampling.enough_rows)
        totals = teacher.reach(self.target.total)
        others: Iterable[Values | None] = repeat(None)
        if self.target.other is not None:
            others = student.reach(self.target.other)
        for inputs, total, other in zip(student.reach(self.conv.input_name), totals, others, strict=False):
            seen.add(inputs, total, other)
        bent = _curve(teacher, self.target, seen.rows[0]) if seen.rows else None
        return Evidence(seen.train(original, bent), seen.held(original, bent), self._sampling.few)

    def _gathering(self, *, keep: bool) -> Gathering:
        return Gathering(self._sampling, self.conv.kernel().astype(np.float64), self.conv.bias(), keep=keep)

    @property
    def _sampling(self) -> Sampling:
        site, layer = self.conv.known_site, f"layer {self.conv.name!r}"
        hold_out = self.level >= Level.HELD_OUT
        return Sampling(layer, site.spec, site.output_size, self.samples, self.seed, hold_out)

    @property
    def _asks_teacher(self) -> bool:
        """Whether the inputs that the layer had in the original network are of use."""
        return self.level == Level.SYMMETRIC or (self.level >= Level.HELD_OUT and self._sampling.few)


def _curve(teacher: Walk, target: Target, rows: Rows) -> Curve | None:
    """The activation behind the target, asked of the original network over the range of its totals."""
    if target.activated is None:
        return None
    points, values = teacher.table(target.total, target.activated, grid(rows.responses + rows.others))
    return curve(points, values)

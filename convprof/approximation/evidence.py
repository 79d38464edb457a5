"""What one layer sees in the converted network and what it should answer there, with a part held out for choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from convprof.approximation.behind import ActivatedResponse
from convprof.moments import Moments, pooled


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

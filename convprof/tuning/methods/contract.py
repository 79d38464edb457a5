"""What a method is given, and what it must offer: one file a method, one row each in METHODS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from convprof.records.tuning import TunedStage
from convprof.torch import Module
from convprof.tuning.augmenting import Pictures
from convprof.tuning.objective import Objective
from convprof.tuning.samples import Samples
from convprof.tuning.settings import Settings
from convprof.tuning.together import Together


@dataclass(frozen=True)
class Work:
    """A student to train, in place, and what there is to train it with.

    `trained` are the parameters that may change, by torch's names; with `mirrored` the teacher answers with the mean
    over a picture and its mirror image. `train(objective, share)` runs the loop for that share of the method's time and
    leaves the best weights in the student; what it returns is noted already.
    """

    student: Module
    teacher: Module | None
    samples: Samples
    settings: Settings
    trained: dict[str, nn.Parameter]
    pictures: Pictures | None
    mirrored: bool
    together: Together
    train: Callable[[Objective, float], TunedStage]


class Method(Protocol):
    """One way to win accuracy back."""

    name: str
    needs_teacher: bool
    needs_labels: bool

    def run(self, work: Work) -> tuple[TunedStage, ...]:
        """Change the student; what was done, stage by stage."""

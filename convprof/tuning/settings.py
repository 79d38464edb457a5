"""Every number that training goes by, in one place. The defaults are what docs/benchmarks/tune.md was measured with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """What a user may say; None leaves it to convprof."""

    recipe: tuple[str, ...] = ("distill",)
    train: Literal["factors", "all"] = "all"
    augment: tuple[str, ...] | None = None
    seconds: float = 1200.0
    epochs: float | None = None
    batch: int = 128
    learning_rate: float = 1.5e-3
    loss: str | None = None
    temperature: float = 2.0
    seed: int = 0
    threads: int = 1


WARM_UP = 0.1
"""Share of the steps in which the learning rate rises from `FIRST_RATE` of its peak; then it falls along a cosine."""
FIRST_RATE = 0.1
LAST_RATE = 0.001
CLIP = 5.0
"""Largest norm of the gradient of all parameters together."""
AVERAGE = 0.998
"""Share of the averaged weights that one step leaves; lower at the start."""
LOGITS = 0.1
"""Weight of the squared error of logits beside the divergence."""
FEATURES = 0.0
"""Weight of the relative squared error of the penultimate features."""
TEACHER = 0.5
"""Share of the teacher in the loss of `finetune` where there is one."""

HELD_OUT = 0.05
MOST_HELD_OUT = 2000
FEWEST = 8
"""Samples, below which nothing can be held out."""

EVALUATIONS = 40
"""How often the held-out part is looked at in one stage, unless that takes more than `EVALUATION_SHARE` of the time."""
EVALUATION_SHARE = 0.1
FAR_WORSE = 3.0
"""Held-out measures that many times the start's, twice in a row, are a run that diverged."""
ROLLBACKS = 3
SLOWER = 0.3
"""What the learning rate is multiplied by when a run is rolled back."""
MIRROR_AGREES = 0.75
"""Share of pictures whose mirror image the teacher must take for the same class, for the two answers to be averaged."""
SETTLED = 0.6
PATIENCE = 0.15
"""A run stops early where, in its last part, that share of all its steps has brought nothing."""

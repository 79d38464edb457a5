"""The table of what is measured: one row a network, a plan, a start and a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fits.trained import DNCNN, RESNET20, WAIFU2X, WIDE, Trained

Start = Literal["fitted", "weights", "random", "gradient descent"]


@dataclass(frozen=True)
class Row:
    """One network trained in one way.

    `rank` is that of depthwise-pointwise in every conv but the first, None the planner's mix at half the MACs. `aim` is
    wanted of the score, less the original's. `pictures` of None are all; `settings` go to `convprof.tune` as they are.
    """

    name: str
    trained: Trained
    rank: int | None
    aim: float | None = None
    start: Start = "fitted"
    pictures: int | None = None
    labels: bool = False
    steps: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        """In words."""
        return "half the MACs" if self.rank is None else f"rank {self.rank}"


_PICTURES = {"batch": 32}
_LEARNED = {"recipe": ("finetune",)}

ROWS = (
    Row("resnet20/rank3", RESNET20, 3, aim=0.2),
    Row("resnet20/rank2", RESNET20, 2, aim=0.0),
    Row("resnet20/rank1", RESNET20, 1, aim=-1.0),
    Row("resnet20/half", RESNET20, None, aim=0.3),
    Row("wide/rank1", WIDE, 1, aim=-0.3),
    Row("wide/rank2", WIDE, 2, aim=0.0),
    Row("dncnn/rank2", DNCNN, 2, aim=-0.1, settings=_PICTURES),
    Row("waifu2x/half", WAIFU2X, None, aim=-0.1, settings=_PICTURES),
    Row("few/10000", RESNET20, 2, pictures=10_000),
    Row("labels/resnet20", RESNET20, 2, labels=True, settings=_LEARNED),
    Row("labels/dncnn", DNCNN, 2, labels=True, settings={**_PICTURES, **_LEARNED}),
    Row("baselines/fitted", RESNET20, 2),
    Row("baselines/random", RESNET20, 2, start="random"),
    Row("baselines/weights", RESNET20, 2, start="weights"),
    Row("baselines/falcon", RESNET20, 2, start="gradient descent"),
    Row("baselines/practise", RESNET20, 2, steps=2_000, settings={"recipe": ("mimicry",)}),
)

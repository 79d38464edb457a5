"""Which convs become what: the record in plan.json (convprof.plan/1), small enough to edit by hand.

A field that a plan does not have is refused, not passed over: a misspelt one would be a wish that nobody heard.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.analysis import ModelFile
from convprof.records.convs import Rank
from convprof.records.remarks import Remark

Emission = Literal["sum", "concat", "multiplier"]


class PlannedLayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One conv to replace: by which form, at which rank, written how.

    A form without a rank replaces nothing: the conv stays dense, its numbers are fitted anew.
    """

    name: str
    form: str
    rank: Rank
    emission: Emission = "sum"

    @property
    def stays_dense(self) -> bool:
        """Whether only the numbers of the conv change."""
        return not self.rank


class KeptLayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One conv that stays as it is, and why."""

    name: str
    reason: Remark


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan was asked to meet; `target_macs` is a share of the dense model's MACs."""

    target_macs: float | None = None


class Prediction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the planner expects of the rewritten model; None where it does not know.

    `damage` is the sum over the replaced layers of the relative squared error of their outputs.
    """

    macs: int | None = None
    parameters: int | None = None
    latency_ms: float | None = None
    damage: float | None = None


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole decision for one model."""

    schema: Literal["convprof.plan/1"]
    model: ModelFile
    layers: tuple[PlannedLayer, ...]
    kept: tuple[KeptLayer, ...] = ()
    budget: Budget = Budget()
    predicted: Prediction = Prediction()

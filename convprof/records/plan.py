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
EmissionOption = Literal["auto", "sum", "concat", "multiplier"]
"""As a user may ask for it: auto is the one that takes the least time."""


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
    """What the plan was asked to meet.

    `target_macs`, `target_params` and `target_latency` are shares of the dense model's, `target_latency_ms` is
    milliseconds an inference. `max_drop` is the largest loss of the metric, in points for shares (top1, agreement), in
    dB for psnr, in its own unit otherwise; `min_sqnr` is in dB, of the worst output.
    """

    target_macs: float | None = None
    target_params: float | None = None
    target_latency: float | None = None
    target_latency_ms: float | None = None
    max_drop: float | None = None
    min_sqnr: float | None = None


class Prediction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the planner expects of the rewritten model; None where it does not know.

    `latency` is a share of the dense model's. `damage` is the sum over the replaced layers, in the measure that
    `convprof.records.damage.Damage` names; the solver found no plan better than by the share `gap` of it.
    """

    macs: int | None = None
    parameters: int | None = None
    latency_ms: float | None = None
    latency: float | None = None
    damage: float | None = None
    gap: float | None = None


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time of the plan's own graph, with placeholders for its weights, interleaved with the dense model.

    `latency` is its share of the dense model's time, `interval` encloses that share with 95 %.
    """

    latency_ms: float
    dense_ms: float
    latency: float
    interval: tuple[float, float]
    rounds: int


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole decision for one model."""

    schema: Literal["convprof.plan/1"]
    model: ModelFile
    layers: tuple[PlannedLayer, ...]
    kept: tuple[KeptLayer, ...] = ()
    budget: Budget = Budget()
    predicted: Prediction = Prediction()
    measured: Measured | None = None

"""Limits that a user sets for a result, and what came of each."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["passed", "failed", "inconclusive"]
GateName = Literal["fail-if-slower-than", "fail-if-drop-above", "fail-if-params-above", "fail-if-macs-above"]
GateUnit = Literal["times", "points", "dB", "%", "", "share", "parameters", "MACs"]


class Limits(msgspec.Struct, frozen=True):
    """What a result has to keep; None: no limit.

    `slower_than` is the least speed-up. `drop_above` is the largest loss of the metric, in points for shares, in dB for
    psnr, in its own unit otherwise; without a metric it is of agreement with the original's classes, in points, or else
    the largest relative error of an output, in per cent. Parameters and MACs are limited by number, or by share of the
    original's.
    """

    slower_than: float | None = None
    drop_above: float | None = None
    params_above: int | None = None
    params_share_above: float | None = None
    macs_above: int | None = None
    macs_share_above: float | None = None


class Gate(msgspec.Struct, frozen=True):
    """One limit, what was held against it, and what came of that.

    `candidate` is the place of the model: 0 is the one that it is held against. `limit`, `value` and `interval` are in
    `unit`; "" is that of the user's own metric. `value` is None where it is not known, `interval` where there is none.
    """

    name: GateName
    candidate: int
    limit: float
    unit: GateUnit
    value: float | None
    interval: tuple[float, float] | None
    outcome: Outcome
    reason: str

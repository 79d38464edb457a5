"""What each candidate would cost in output error: the record between sensitivity and planning."""

from __future__ import annotations

import msgspec

from convprof.records.convs import Rank


class Candidate(msgspec.Struct, frozen=True):
    """One way to replace one conv.

    `error` is the relative squared error of the layer's output, E|y - y'|^2 / E|y - mean y|^2: 0 is exact, 1 is as
    bad as printing the mean.
    """

    name: str
    form: str
    rank: Rank
    macs: int
    parameters: int
    error: float


class Damage(msgspec.Struct, frozen=True):
    """All candidates of all layers, and whether their errors were measured on data or read off the weights."""

    candidates: tuple[Candidate, ...]
    data_aware: bool

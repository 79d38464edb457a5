"""Ways to find the numbers of a plan's layers: convprof's own, in steps, and what stands for them in tables."""

from __future__ import annotations

from collections.abc import Sequence

from convprof import fitting
from convprof.data import Batches
from convprof.fitting import Level
from convprof.graph import Model
from convprof.holding import Store
from convprof.records.factors import FittedConv
from convprof.records.plan import Plan
from fits.subjects import OPTIONS, Method


def weights(model: Model, plan: Plan, batches: Batches, seed: int, store: Store) -> Sequence[FittedConv]:
    """Nothing but the kernels: Network Decoupling (Guo et al. 2018), DAC (Li et al. 2019) for depthwise-pointwise."""
    return fitting.factor(model, plan)


def at(level: Level) -> Method:
    """The fit with as much of the method as `level` says."""

    def method(model: Model, plan: Plan, batches: Batches, seed: int, store: Store) -> Sequence[FittedConv]:
        return fitting.fit(model, plan, batches, options=OPTIONS, seed=seed, level=level, store=store)

    return method


best = at(max(Level))

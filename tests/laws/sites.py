"""Convolutions of every geometry that a form may meet, small enough to check by brute force."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from hypothesis import strategies as st

from convprof.forms import PLANNABLE, Form
from convprof.moments import Gatherer, Moments
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.factors import Array

_KERNEL = {1: 5, 2: 4, 3: 3}
_CHANNELS = {1: 9, 2: 9, 3: 4}


@dataclass(frozen=True)
class Case:
    """One form at one place, a rank it takes there, and a seed for the numbers."""

    form: Form
    site: ConvSite
    rank: Rank
    seed: int

    @property
    def spec(self) -> ConvSpec:
        return self.site.spec

    @property
    def full(self) -> Rank:
        return self.form.full_rank(self.spec)

    def kernel(self) -> Array:
        return np.random.default_rng(self.seed).standard_normal(self.spec.weight_shape)

    def inputs(self) -> Array:
        shape = (self.site.batch, self.spec.in_channels, *self.site.input_size)
        return np.random.default_rng(self.seed + 1).standard_normal(shape)


def _per_axis(axes: int, low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(low, high)] * axes)


@st.composite
def sites(draw: st.DrawFn) -> ConvSite:
    """A dense conv over 1 to 3 axes: any stride, padding, dilation, odd and even kernels."""
    axes = draw(st.integers(1, 3))
    kernel = draw(_per_axis(axes, 1, _KERNEL[axes]).filter(lambda k: prod(k) > 1))
    channels = st.integers(1, _CHANNELS[axes])
    dilations, pads = draw(_per_axis(axes, 1, 2)), draw(_per_axis(2 * axes, 0, 2))
    spec = ConvSpec(draw(channels), draw(channels), kernel, draw(_per_axis(axes, 1, 3)), pads, dilations)
    extra = draw(_per_axis(axes, 0, 4))
    size = tuple(max(1, dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[axes + i]) + extra[i] for i in range(axes))
    return ConvSite(spec, draw(st.integers(1, 2)), size)


@st.composite
def cases(draw: st.DrawFn, form: str | None = None) -> Case:
    """Any form (or the one called `form`) at a place that it suits, at any rank that it takes there."""
    names = [form] if form else list(PLANNABLE)
    site = draw(sites().filter(lambda s: any(PLANNABLE[name].applies(s.spec) is None for name in names)))
    chosen = PLANNABLE[draw(st.sampled_from([name for name in names if PLANNABLE[name].applies(site.spec) is None]))]
    rank = tuple(draw(st.integers(1, top)) for top in chosen.full_rank(site.spec))
    return Case(chosen, site, rank, draw(st.integers(0, 2**16)))


def ranks_up_to(full: Rank) -> list[Rank]:
    """Every rank of a form with one number; of a form with several, a path on which each grows in turn with others."""
    found = [(1,) * len(full)]
    while found[-1] != full:
        last = found[-1]
        axis = min((i for i in range(len(full)) if last[i] < full[i]), key=lambda i: last[i] / full[i])
        found.append(tuple(value + (i == axis) for i, value in enumerate(last)))
    return found


def rank_of(form: Form, spec: ConvSpec, value: int) -> Rank:
    """The rank whose numbers are all `value`."""
    return (value,) * len(form.full_rank(spec))


def relative(error: Array, reference: Array) -> float:
    """|error|^2 / |reference|^2."""
    return float(np.sum(error**2) / np.sum(reference**2))


INPUTS = ("white", "smooth", "after relu", "constant", "constant and large", "zero", "dead channels", "one row", "tiny")
RESPONSES = ("of the kernel", "of other inputs", "zero", "constant")


def moments_of(case: Case, inputs: str, responses: str) -> Moments:
    """Moments at every position of inputs and responses of the kinds that networks give, and worse."""
    spec, random = case.spec, np.random.default_rng(case.seed + 2)
    gatherer = Gatherer(spec, 10**9, seed=0)
    seen = _inputs(inputs, case, random)
    if responses == "of the kernel":
        gatherer.add_inputs(seen, case.kernel(), random.standard_normal(spec.out_channels))
    else:
        shape = (len(seen), spec.out_channels, *spec.output_size(seen.shape[2:]))
        level = {"zero": 0.0, "constant": 0.7}.get(responses)
        gatherer.add(seen, random.standard_normal(shape) if level is None else np.full(shape, level))
    return gatherer.moments()


def _inputs(kind: str, case: Case, random: np.random.Generator) -> Array:
    samples = 1 if kind == "one row" else 6
    seen = random.standard_normal((samples, case.spec.in_channels, *case.site.input_size))
    if kind == "smooth":
        seen = np.cumsum(seen, axis=2)
    elif kind == "after relu":
        seen = np.maximum(seen, 0)
    elif kind.startswith("constant"):
        seen = np.full(seen.shape, 0.1 if kind == "constant" else 1e6 / 3)
    elif kind == "zero":
        seen = np.zeros(seen.shape)
    elif kind == "dead channels":
        seen[:, ::2] = 0
    elif kind == "tiny":
        seen *= 1e-20
    return seen

"""What each candidate would do to its layer's output: the price list in error that planning chooses from.

With data, the error is that of a short data-aware fit on the original network's own activations. Without, it is the
energy that the candidate loses: its error on white noise, which says little about real inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from convprof.data import Batches
from convprof.execution import Walk, chunks
from convprof.forms import FORMS
from convprof.graph import ConvNode, Model, find_convs
from convprof.holding import Store
from convprof.macs import chain_macs, chain_parameters
from convprof.moments import RIDGE, Gatherer, Moments, positions_per_input
from convprof.records.convs import ConvSite, Rank
from convprof.records.damage import Candidate, Damage
from convprof.records.factors import Array
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions

_SWEEPS = 1
_ROWS_PER_UNKNOWN = 10


def survey(
    model: Model,
    offers,
    batches: Batches | None,
    *,
    options: RunOptions,
    seed: int,
    store: Store | None = None,
    progress: Progress = silent,
) -> Damage:
    """Error, MACs and parameters of every form in `forms`, at every rank it offers, for each conv in `layers`.

    `store` holds the activations. Raises DataError for unusable data.
    """
    convs = [conv for conv in find_convs(model) if conv.name in offers]
    errors: Iterable[_Error] = map(_lost_energy, convs)
    if batches is not None:
        errors = _measured(convs, Walk(model, chunks(model, batches), options, store), batches.count, seed)
    candidates: list[Candidate] = []
    for number, (conv, error) in enumerate(zip(convs, errors, strict=True), 1):
        candidates += _of_layer(conv, offers[conv.name], error)
        progress("survey", number, len(convs))
    return Damage(tuple(candidates), data_aware=batches is not None)


class _Error(Protocol):
    """Relative error of a form at a place for each of some ranks."""

    def __call__(self, form: str, site: ConvSite, ranks: tuple[Rank, ...]) -> list[float]: ...


class _LostEnergy:
    """Error on white inputs: what the best factors of a rank lose of the kernel's squared norm."""

    def __init__(self, kernel: Array) -> None:
        self._kernel = kernel

    def __call__(self, form: str, site: ConvSite, ranks: tuple[Rank, ...]) -> list[float]:
        return [1 - energy for energy in FORMS[form].energy(self._kernel, ranks)]


class _FittedError:
    """Error on the layer's real inputs after a short fit."""

    def __init__(self, kernel: Array, moments: Moments) -> None:
        self._kernel = kernel
        self._moments = moments
        self._ridged = moments.ridged(kernel, RIDGE)

    def __call__(self, form: str, site: ConvSite, ranks: tuple[Rank, ...]) -> list[float]:
        chosen = FORMS[form]
        errors = []
        for rank in ranks:
            start = chosen.factor(self._kernel, site.spec, rank)
            factors = chosen.fit(self._ridged, site.spec, start, _SWEEPS)
            errors.append(self._moments.relative_error(chosen.compose(factors, site.spec)))
        return errors


def _lost_energy(conv: ConvNode) -> _LostEnergy:
    return _LostEnergy(conv.kernel().astype(np.float64))


def _measured(convs: list[ConvNode], walk: Walk, samples: int, seed: int) -> Iterator[_FittedError]:
    """Walk the original network over the data once, conv by conv."""
    for number, conv in enumerate(convs, 1):
        kernel = conv.kernel().astype(np.float64)
        positions = positions_per_input(kernel.shape, samples, _ROWS_PER_UNKNOWN)
        gatherer = Gatherer(conv.known_site.spec, positions, seed + number, layer=f"layer {conv.name!r}")
        bias = conv.bias()
        for inputs in walk.reach(conv.input_name):
            gatherer.add_inputs(inputs, kernel, bias)
        walk.forget()
        yield _FittedError(kernel, gatherer.moments())


def _of_layer(conv, offers, error):
    site = conv.known_site
    for name, rank in offers:
        form = FORMS[name]
        (lost,) = error(name, site, (rank,))
        chain = form.chain(site.spec, rank)
        parameters = chain_parameters(chain, bias=conv.has_bias)
        yield Candidate(conv.name, name, rank, chain_macs(chain, site), parameters, lost)


def damages(damage):
    return {(c.name, c.form, c.rank): c.error for c in damage.candidates}

"""What each candidate would do to its layer and to the outputs: the price list in damage that planning chooses from.

With data, the error is that of a short data-aware fit on the original network's own activations, and the outputs are
watched while one layer alone errs so. Without, the error is the energy that the candidate loses: its error on white
noise, which says little about real inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import log

import numpy as np

from convprof.data import Batches
from convprof.execution import Walk, chunks, usable_samples
from convprof.forms import FORMS
from convprof.graph import ConvNode, Model, find_convs
from convprof.holding import Store
from convprof.macs import chain_macs, chain_parameters
from convprof.records.convs import Rank
from convprof.records.damage import Candidate, Damage, Sensitivity
from convprof.records.progress import Progress, silent
from convprof.runtime import RunOptions
from convprof.sensitivity.anchors import anchors, between
from convprof.sensitivity.evidence import Evidence, Gathering, Shortfall
from convprof.sensitivity.probing import Probes

Offer = tuple[str, Rank]
Offers = Mapping[str, Sequence[Offer]]
"""The candidates of each layer that are worth considering: form and rank."""

_EFFORT = ((4096, 1, 1), (1024, 2, 2), (0, 3, 8))
"""Fits of one form, and sweeps of a fit, at most, by the unknowns of the regression of one response: above so many."""
_TYPICAL_ERROR = 0.03
"""Of the layers of plans that are of use."""


def survey(
    model: Model,
    offers: Offers,
    batches: Batches | None,
    *,
    options: RunOptions,
    seed: int,
    store: Store | None = None,
    known: Collection[Sensitivity] = (),
    progress: Progress = silent,
) -> Damage:
    """Error, MACs and parameters of every candidate in `offers`, in the order of the graph, and each layer's damage.

    `store` holds the activations. Layers in `known`, which an earlier survey of the same model and data has found, are
    not disturbed again. Raises DataError for unusable data.
    """
    convs = [conv for conv in find_convs(model) if offers.get(conv.name)]
    if batches is None:
        lost = [_lost(conv, offers[conv.name]) for conv in convs]
        return Damage(_candidates(convs, offers, lost), data_aware=False)
    walk = Walk(model, chunks(model, batches), options, store)
    probes = Probes(model, batches, options, store)
    samples, done = usable_samples(model, batches), {each.name for each in known}
    errors: list[list[float]] = []
    probed: list[tuple[str, Shortfall]] = []
    for number, conv in enumerate(convs, 1):
        evidence = _evidence(conv, walk, samples, seed + number)
        found, probe = _measured(evidence, offers[conv.name])
        errors.append(found)
        if probe is not None and probe.dense is not None and conv.name not in done:
            probes.disturb(conv, *probe.dense)
            probed.append((conv.name, probe))
        progress("survey", number, len(convs))
    candidates = _candidates(convs, offers, errors)
    damages = probes.damages()
    if damages is None:
        return Damage(candidates, data_aware=True)
    fresh = [
        Sensitivity(name, probe.form, probe.rank, probe.error, damage)
        for (name, probe), damage in zip(probed, damages, strict=True)
    ]
    by_name = {each.name: each for each in (*known, *fresh)}
    seen = tuple(by_name[conv.name] for conv in convs if conv.name in by_name)
    return Damage(candidates, True, seen, "relative-l2")


def _evidence(conv: ConvNode, walk: Walk, samples: int, seed: int) -> Evidence:
    """Walk the original network over the data up to `conv`, and look at what it sees there."""
    gathering = Gathering(conv, samples, seed)
    gathering.add(walk.reach(conv.input_name))
    walk.forget()
    return gathering.evidence()


def _measured(evidence: Evidence, offers: Sequence[Offer]) -> tuple[list[float], Shortfall | None]:
    """The error of each candidate, and the fitted one that errs most like one that a plan would choose."""
    count, sweeps = next(most for unknowns, *most in _EFFORT if evidence.kernel[0].size > unknowns)
    errors: dict[Offer, float] = {}
    probe: Shortfall | None = None
    for name in dict.fromkeys(form for form, _ in offers):
        form, ranks = FORMS[name], [rank for each, rank in offers if each == name]
        lost = [1 - energy for energy in form.energy(evidence.kernel, ranks)]
        fitted = anchors(lost, count)
        found = []
        for at in fitted:
            shortfall = evidence.shortfall(form, ranks[at], sweeps)
            found.append(shortfall.error)
            probe = _better(probe, shortfall)
        errors.update(zip(((name, rank) for rank in ranks), between(lost, fitted, found), strict=True))
    return [errors[offer] for offer in offers], probe


def _better(probe: Shortfall | None, other: Shortfall) -> Shortfall | None:
    """Which of the two errs more like a candidate of a good plan; one that has a whole kernel and errs at all."""
    if other.dense is None or other.error <= 0:
        return probe
    if probe is None or abs(log(other.error / _TYPICAL_ERROR)) < abs(log(probe.error / _TYPICAL_ERROR)):
        return other
    return probe


def _lost(conv: ConvNode, offers: Sequence[Offer]) -> list[float]:
    """Error on white inputs: what the best factors of a rank lose of the kernel's squared norm."""
    kernel = conv.kernel().astype(np.float64)
    errors: dict[Offer, float] = {}
    for name in dict.fromkeys(form for form, _ in offers):
        ranks = [rank for each, rank in offers if each == name]
        errors.update(
            ((name, rank), 1 - kept) for rank, kept in zip(ranks, FORMS[name].energy(kernel, ranks), strict=True)
        )
    return [errors[offer] for offer in offers]


def _candidates(convs: Sequence[ConvNode], offers: Offers, errors: Sequence[Sequence[float]]) -> tuple[Candidate, ...]:
    """The record of each offer."""
    candidates: list[Candidate] = []
    for conv, found in zip(convs, errors, strict=True):
        site = conv.known_site
        for (name, rank), error in zip(offers[conv.name], found, strict=True):
            chain = FORMS[name].chain(site.spec, rank)
            parameters = chain_parameters(chain, bias=conv.has_bias)
            candidates.append(Candidate(conv.name, name, rank, chain_macs(chain, site), parameters, error))
    return tuple(candidates)

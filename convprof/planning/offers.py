"""What each conv could become: all candidates, or with prices those that are measurably faster than the conv.

A layer none of whose candidates is faster stays as it is, whatever it would save in MACs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, sqrt

from convprof.forms import FORMS
from convprof.macs import chain_macs, chain_parameters
from convprof.planning.sites import known_form, site_of
from convprof.records.analysis import ConvReport
from convprof.records.convs import Rank
from convprof.records.plan import Emission
from convprof.records.prices import CandidatePrice, LatencyTable, LayerPrice, Timing
from convprof.records.remarks import Remark


@dataclass(frozen=True)
class Offer:
    """One way to replace one conv, and what it changes: MACs, parameters and, where priced, ms (new - old)."""

    name: str
    form: str
    rank: Rank
    emission: Emission
    macs: int
    parameters: int
    milliseconds: float | None = None


@dataclass(frozen=True)
class Offers:
    """The offers by the conv's name, gentle ones of a form behind cheap ones; and why a conv has none."""

    by_layer: Mapping[str, tuple[Offer, ...]]
    refused: Mapping[str, Remark]

    def candidates(self) -> dict[str, tuple[tuple[str, Rank], ...]]:
        """Form and rank of every offer by the conv's name."""
        return {name: tuple((each.form, each.rank) for each in offers) for name, offers in self.by_layer.items()}


def offered(convs: Sequence[ConvReport], forms: Collection[str], prices: LatencyTable | None) -> Offers:
    """All that `forms` offer for `convs`; raises PlanError for a form that does not exist."""
    for name in forms:
        known_form(name)
    found = {conv.name: _of_conv(conv, forms) for conv in convs}
    if prices is None:
        return Offers(found, {})
    dense = {layer.name: layer for layer in prices.layers}
    priced: dict[tuple[str, str, Rank], list[CandidatePrice]] = {}
    for price in prices.candidates:
        priced.setdefault((price.name, price.form, price.rank), []).append(price)
    kept: dict[str, tuple[Offer, ...]] = {}
    refused: dict[str, Remark] = {}
    for name, candidates in found.items():
        fastest = [
            min(those, key=lambda price: price.time.ms)
            for each in candidates
            if (those := [price for price in priced.get((name, each.form, each.rank), ()) if price.time.ms > 0])
        ]
        if name not in dense or not fastest:
            refused[name] = Remark("not-priced", "the latency table says nothing of this conv")
            continue
        faster = [price for price in fastest if _faster(price.time, dense[name].time)]
        if not faster:
            refused[name] = _no_faster(min(fastest, key=lambda price: price.time.ms), dense[name])
            continue
        kept[name] = _undominated(candidates, faster, dense[name].time.ms)
    return Offers(kept, refused)


def _of_conv(conv: ConvReport, forms: Collection[str]) -> tuple[Offer, ...]:
    site = site_of(conv)
    found: list[Offer] = []
    for form in (FORMS[name] for name in forms):
        ranks = form.ranks(site) if form.applies(site.spec) is None else ()
        for rank in ranks:
            chain = form.chain(site.spec, rank)
            macs = chain_macs(chain, site) - (conv.macs or 0)
            parameters = chain_parameters(chain, bias=True) - conv.parameters
            found.append(Offer(conv.name, form.name, rank, form.emissions[0], macs, parameters))
    return tuple(found)


def _faster(candidate: Timing, dense: Timing) -> bool:
    """Whether the medians differ by more than what the rounds leave open (about two standard errors)."""
    error = hypot(candidate.iqr, dense.iqr) / sqrt(max(1, min(candidate.rounds, dense.rounds)))
    return candidate.ms + 2 * error < dense.ms


def _no_faster(best: CandidatePrice, dense: LayerPrice) -> Remark:
    rank = "x".join(map(str, best.rank))
    share = best.time.ms / dense.time.ms if dense.time.ms else float("inf")
    text = f"no candidate is measurably faster: the best, {best.form} {rank}, takes {share:.2f} of the conv's own time"
    return Remark("no-faster-form", text)


def _undominated(candidates: Sequence[Offer], faster: Sequence[CandidatePrice], dense: float) -> tuple[Offer, ...]:
    """The faster candidates with their prices, without those that take as long as a higher rank of their form."""
    prices = {(price.form, price.rank): price for price in faster}
    kept: list[Offer] = []
    best: dict[str, float] = {}
    for each in reversed(candidates):
        price = prices.get((each.form, each.rank))
        if price is None or price.time.ms >= best.get(each.form, dense):
            continue
        best[each.form] = price.time.ms
        change = price.time.ms - dense
        kept.append(Offer(each.name, each.form, each.rank, price.emission, each.macs, each.parameters, change))
    return tuple(reversed(kept))

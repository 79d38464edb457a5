"""Which conv becomes what: a multiple-choice knapsack over all forms and ranks at once, or one choice for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from convprof.errors import PlanError
from convprof.forms import FORMS, Form
from convprof.macs import chain_macs, chain_parameters
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.damage import Candidate, Damage
from convprof.records.plan import Budget, Emission, KeptLayer, Plan, PlannedLayer, Prediction
from convprof.records.remarks import Remark

_KEPT = Remark("better-dense", "within the budget this conv does less harm as it is")
_SKIPPED = Remark("skipped", "left out by --only or --skip")
_TOLERANCE = 1e-6
_INFEASIBLE = 2


def select(analysis: Analysis, only: Collection[str], skip: Collection[str]) -> tuple[ConvReport, ...]:
    """The eligible convs that the user wants converted; raises PlanError for names that the model does not have."""
    known = {conv.name for conv in analysis.convs}
    for option, names in (("--only", only), ("--skip", skip)):
        for name in names:
            if name not in known:
                raise PlanError(
                    f"{option} {name!r}", "the model has no conv of that name", "see `convprof analyze` for the names"
                )
    wanted = tuple(c for c in analysis.eligible() if (not only or c.name in only) and c.name not in skip)
    if not wanted:
        raise PlanError(analysis.model.path, "no conv is left to convert", "see `convprof analyze` for the reasons")
    return wanted


def uniform(
    analysis: Analysis, convs: Sequence[ConvReport], form_name: str, rank: Rank, emission: Emission | None
) -> Plan:
    """One form at one rank for every conv in `convs` that it suits; the rank is cut to what a conv can use.

    Raises PlanError for a form, rank or emission that does not exist, or that suits none of the convs.
    """
    form = _known(form_name)
    if not rank or min(rank) < 1:
        raise PlanError(f"rank {list(rank)}", "a rank is 1 or more", "give --rank 1, 2, ...")
    written = emission or form.emissions[0]
    if written not in form.emissions:
        raise PlanError(f"emission {written!r}", f"{form_name} has {', '.join(form.emissions)}", "choose one of those")
    layers: list[PlannedLayer] = []
    refused = _left_out(analysis, convs)
    for conv in convs:
        refusal = form.applies(_site(conv).spec)
        if refusal is not None:
            refused[conv.name] = refusal
            continue
        full = form.full_rank(_site(conv).spec)
        if len(full) != len(rank):
            raise PlanError(f"rank {list(rank)}", f"{form_name} takes {len(full)} numbers", "give that many")
        cut = tuple(min(r, f) for r, f in zip(rank, full, strict=True))
        layers.append(PlannedLayer(conv.name, form_name, cut, written))
    if not layers:
        raise PlanError(f"form {form_name!r}", "it suits none of the convs chosen", "choose another form")
    return _plan(analysis, layers, Budget(), refused, damage=None)


def solve(analysis: Analysis, convs: Sequence[ConvReport], damage: Damage, target_macs: float) -> Plan:
    """The choice with the least summed error whose MACs are at most `target_macs` times the model's.

    Raises PlanError where no choice meets the budget.
    """
    names = {conv.name for conv in convs}
    candidates = [c for c in damage.candidates if c.name in names]
    fixed = analysis.totals.macs - sum(conv.macs or 0 for conv in convs)
    chosen = _knapsack(convs, candidates, target_macs * analysis.totals.macs - fixed)
    layers = [PlannedLayer(c.name, c.form, c.rank, FORMS[c.form].emissions[0]) for c in chosen]
    damaged = float(sum(c.error for c in chosen))
    return _plan(analysis, layers, Budget(target_macs), _left_out(analysis, convs), damage=damaged)


def offers(convs: Sequence[ConvReport], forms: Collection[str]) -> dict[str, list[tuple[str, Rank]]]:
    """Every rank that one of `forms` offers for each conv."""
    allowed = {name: _known(name) for name in forms}
    return {
        conv.name: [
            (name, rank)
            for name, form in allowed.items()
            if form.applies(_site(conv).spec) is None
            for rank in form.ranks(_site(conv))
        ]
        for conv in convs
    }


def require_reachable(
    analysis: Analysis, convs: Sequence[ConvReport], forms: Collection[str], target_macs: float
) -> None:
    """Refuse an unknown form, or a budget that the cheapest candidates do not meet; raises PlanError."""
    allowed = [_known(name) for name in forms]
    cheapest = analysis.totals.macs + sum(_cheapest(conv, allowed) - (conv.macs or 0) for conv in convs)
    share = cheapest / max(analysis.totals.macs, 1)
    if share > target_macs:
        raise PlanError(
            f"--target-macs {target_macs:g}",
            f"the cheapest choice still costs {share:.3f} of the model's MACs",
            "ask for more MACs, or allow more layers or forms",
        )


def _known(name: str) -> Form:
    """The form of that name; raises PlanError where there is none."""
    if name not in FORMS:
        raise PlanError(f"form {name!r}", "there is no such form", f"known are {', '.join(FORMS)}")
    return FORMS[name]


def _cheapest(conv: ConvReport, forms: Sequence[Form]) -> int:
    """MACs of the conv's cheapest candidate, itself included."""
    site = _site(conv)
    costs = [
        chain_macs(form.chain(site.spec, rank), site)
        for form in forms
        if form.applies(site.spec) is None
        for rank in form.ranks(site)
    ]
    return min([conv.macs or 0, *costs])


def _knapsack(convs: Sequence[ConvReport], candidates: Sequence[Candidate], limit: float) -> list[Candidate]:
    """Least summed error with one candidate (or none: the dense conv, error 0) a layer and MACs at most `limit`.

    The solver takes a bound as met within its tolerance, so a choice that oversteps is made again with that much less;
    where only the cheapest choice remains, it is the answer.
    """
    for bound in (limit, limit * (1 - 2 * _TOLERANCE)):
        chosen = _least_error(convs, candidates, bound)
        if chosen is not None and _macs(convs, chosen) <= limit:
            return chosen
    cheapest = _cheapest_choice(convs, candidates)
    if _macs(convs, cheapest) > limit:
        raise PlanError("--target-macs", "no choice of candidates meets it", "ask for more MACs")
    return cheapest


def _least_error(convs: Sequence[ConvReport], candidates: Sequence[Candidate], limit: float) -> list[Candidate] | None:
    """The knapsack as a mixed-integer program; None where the solver finds that nothing meets `limit`."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    index = {conv.name: row for row, conv in enumerate(convs)}
    count = len(candidates)
    rows = np.zeros((len(convs) + 1, count + len(convs)))
    for column, candidate in enumerate(candidates):
        rows[index[candidate.name], column] = 1
        rows[-1, column] = candidate.macs
    for row, conv in enumerate(convs):
        rows[row, count + row] = 1
        rows[-1, count + row] = conv.macs or 0
    # MACs in units of the budget keep the solver's tolerances meaningful.
    scale = max(limit, 1.0)
    rows[-1] /= scale
    low = np.append(np.ones(len(convs)), -np.inf)
    high = np.append(np.ones(len(convs)), limit / scale)
    cost = np.append([candidate.error for candidate in candidates], np.zeros(len(convs)))
    # The solver stops within an absolute gap too: small errors must not look like none.
    cost /= cost.max() or 1.0
    result = milp(
        cost,
        constraints=LinearConstraint(rows, low, high),
        integrality=np.ones(len(cost), np.int64),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": _TOLERANCE},
    )
    if result.status == _INFEASIBLE:
        return None
    if result.x is None:
        raise PlanError("--target-macs", f"the solver found no plan: {result.message}", "ask for more MACs")
    return [candidate for candidate, taken in zip(candidates, result.x, strict=False) if taken > 0.5]


def _cheapest_choice(convs: Sequence[ConvReport], candidates: Sequence[Candidate]) -> list[Candidate]:
    """For each conv that has a candidate cheaper than itself, the cheapest, and of equals the one that errs least."""
    best: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (c.macs, c.error)):
        best.setdefault(candidate.name, candidate)
    return [best[conv.name] for conv in convs if conv.name in best and best[conv.name].macs < (conv.macs or 0)]


def _macs(convs: Sequence[ConvReport], chosen: Sequence[Candidate]) -> int:
    """MACs of `convs` where the chosen stand in for theirs."""
    replaced = {candidate.name: candidate.macs for candidate in chosen}
    return sum(replaced.get(conv.name, conv.macs or 0) for conv in convs)


def _plan(
    analysis: Analysis,
    layers: Sequence[PlannedLayer],
    budget: Budget,
    refused: Mapping[str, Remark],
    damage: float | None,
) -> Plan:
    """The record, with a reason for every conv that stays and the cost that follows from the choice."""
    planned = {layer.name: layer for layer in layers}
    kept = [
        KeptLayer(conv.name, conv.reason or refused.get(conv.name, _KEPT))
        for conv in analysis.convs
        if conv.name not in planned
    ]
    macs, parameters = analysis.totals.macs, analysis.totals.parameters
    for conv in analysis.convs:
        if conv.name in planned:
            new_macs, new_parameters = _cost(conv, planned[conv.name])
            macs += new_macs - (conv.macs or 0)
            parameters += new_parameters - conv.parameters
    return Plan(
        schema="convprof.plan/1",
        model=analysis.model,
        layers=tuple(layers),
        kept=tuple(kept),
        budget=budget,
        predicted=Prediction(macs=macs, parameters=parameters, damage=damage),
    )


def _left_out(analysis: Analysis, convs: Sequence[ConvReport]) -> dict[str, Remark]:
    """The reason for every conv that is not among the chosen `convs`."""
    names = {conv.name for conv in convs}
    return {conv.name: _SKIPPED for conv in analysis.convs if conv.name not in names}


def _cost(conv: ConvReport, layer: PlannedLayer) -> tuple[int, int]:
    """MACs and parameters of the chain that stands in for the conv; a fitted chain has a bias."""
    site = _site(conv)
    chain = FORMS[layer.form].chain(site.spec, layer.rank)
    return chain_macs(chain, site), chain_parameters(chain, bias=True)


def _site(conv: ConvReport) -> ConvSite:
    """The conv's place, from its report."""
    if conv.input_shape is None or conv.weight_shape is None:
        raise PlanError(f"layer {conv.name!r}", "its shapes are unknown", "give --input-shape")
    spec = ConvSpec(
        conv.input_shape[1],
        conv.weight_shape[0],
        conv.kernel_shape,
        conv.strides,
        conv.pads,
        conv.dilations,
        conv.group,
    )
    return ConvSite(spec, conv.input_shape[0], conv.input_shape[2:])

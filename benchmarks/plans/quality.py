"""Section `quality`: what the planner's models can do beside those of other rules that take as much time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fits import methods, tables
from fits.parts import Aim, Part, Raw
from fits.subjects import Judged, Subject
from fits.trained import DNCNN, ESPCN, RESNET20, WAIFU2X, WIDE, Setting, Trained, Values
from writing import Page

from convprof import planning, rewriting
from convprof.forms import FORMS
from convprof.graph import find_convs
from convprof.latency import dense_ms, predicted_ms
from convprof.planning import Choice
from plans import rungs
from plans.notes import note
from plans.rungs import Rungs
from plans.workshop import Layers, Workshop, shown

PLANNER = "planner"
TRIAL_FORMS = ("depthwise-pointwise", "channel")
_EVERYWHERE, _MACS, _GREEDY, _SINGLE = "one rank everywhere", "planned by MACs", "greedy by energy", "one form planned"
_RIVALS = (_EVERYWHERE, _MACS, _GREEDY, _SINGLE)
_USUAL = "depthwise-pointwise"
_GREEDY_FORMS = ("channel", _USUAL)
_FEW_FORMS = 2
_ROOM = 0.03
_NEAR = 0.1


@dataclass(frozen=True)
class Target:
    """A share of the dense time; `few` rivals only: the most promising forms, and no greedy rule."""

    share: float
    few: bool = False


_TARGETS: Mapping[Trained, tuple[Target, ...]] = {
    RESNET20: (Target(0.45), Target(0.6)),
    WIDE: (Target(0.45, few=True),),
    DNCNN: (Target(0.45, few=True),),
    ESPCN: (Target(0.6, few=True),),
    WAIFU2X: (Target(0.45, few=True),),
}


@dataclass(frozen=True)
class Entrant:
    """A method, the form that it is bound to ("" for all), its plan for a target, and its model."""

    kind: str
    form: str
    layers: Layers
    path: Path

    @property
    def name(self) -> str:
        """Both in words."""
        return f"{self.kind}, {self.form}" if self.form else self.kind


@dataclass(frozen=True)
class _Fitted:
    """A model as it was fitted, and how near its outputs are to the original's, over all test inputs."""

    judged: Judged
    distance: dict[str, float | None]


def opened(trained: Trained, setting: Setting) -> tuple[Subject, Workshop]:
    """The network and a place to plan for it; its first conv stays dense in all plans."""
    subject = Subject(trained, setting)
    convs = planning.select(subject.counted, (), subject.skipped)
    shop = Workshop(subject.model, subject.counted, convs, subject.inputs, setting.folder / "shop", trial=setting.trial)
    return subject, shop


def _measure(trained: Trained, setting: Setting) -> Raw:
    subject, shop = opened(trained, setting)
    forms = TRIAL_FORMS if setting.trial else tuple(FORMS)
    by_macs = shop.by_macs(forms)
    note(f"{sum(map(len, by_macs.offers.by_layer.values()))} candidates surveyed")
    choice = shop.by_time(forms)
    note(f"{sum(map(len, choice.offers.by_layer.values()))} of them are faster")
    rows = _rows_of_rungs(subject, shop, choice, by_macs, forms)
    targets = _targets(shop, rows[PLANNER, ""], rows[_EVERYWHERE, _USUAL], _TARGETS[trained])
    if not targets:
        return {"unit": trained.unit, "dense": shop.dense_ms, "targets": []}
    original = subject.answers(subject.path)
    found = []
    for target in targets[:1] if setting.trial else targets:
        note(f"target {target.share:g}")
        entrants = _entrants(shop, choice, rows, target, setting.folder)
        found.append({"target": target.share, "rows": _compared(subject, shop, entrants, original)})
    return {
        "unit": trained.unit,
        "asked": [target.share for target in _TARGETS[trained]],
        "dense": shop.dense_ms,
        "sizes": {spec.name: spec.shape for spec in subject.model.inputs},
        "targets": found,
        "spent": shop.ticker.spent,
    }


def _rows_of_rungs(
    subject: Subject, shop: Workshop, choice: Choice, by_macs: Choice, forms: Sequence[str]
) -> dict[tuple[str, str], Rungs | None]:
    """Every method's plans, by its kind and form."""
    folded = rewriting.fold(subject.model, set(subject.sites))
    convs = [conv for conv in find_convs(folded) if conv.name in subject.sites]
    rows: dict[tuple[str, str], Rungs | None] = {(PLANNER, ""): rungs.solved(choice)}
    rows |= {(_EVERYWHERE, form): rungs.everywhere(convs, form) for form in forms}
    rows[_MACS, ""] = rungs.solved(by_macs)
    rows |= {(_GREEDY, form): rungs.by_energy(convs, form) for form in _GREEDY_FORMS}
    rows |= {(_SINGLE, form): rungs.solved(shop.only(choice, form)) for form in forms}
    return rows


def _targets(shop: Workshop, planner: Rungs | None, everywhere: Rungs | None, wanted: Sequence[Target]) -> list[Target]:
    """What is asked for, as near as it can be had: not below what the planner's harshest plan leaves room for.

    Where the usual form at one rank everywhere takes about as much, what it takes is the target: ranks are few, and a
    rule that had to stay far below the target would be compared at another time than the planner.
    """
    if planner is None:
        return []
    fastest = shop.share(planner.at(planner.count - 1)).value
    note(f"the fastest plan takes {fastest:.3f} of the time")
    plain = [shop.share(everywhere.at(place)).value for place in range(everywhere.count)] if everywhere else []
    found: list[Target] = []
    for target in wanted:
        share = max(target.share, fastest + _ROOM)
        if found and share < found[-1].share + _NEAR:
            share = found[-1].share + 2 * _NEAR
        taken = {each.share for each in found}
        near = [
            _up(each) for each in plain if abs(each - share) <= _NEAR and each >= fastest and _up(each) not in taken
        ]
        share = min(near, key=lambda each: abs(each - share), default=_up(share))
        if share < 1:
            found.append(Target(share, target.few))
    return found


def _up(share: float) -> float:
    return math.ceil(1000 * share) / 1000


def _entrants(
    shop: Workshop, choice: Choice, rows: Mapping[tuple[str, str], Rungs | None], target: Target, folder: Path
) -> list[Entrant]:
    """Every method's gentlest plan that was measured within the target; those without one are left out."""
    forms = _promising(choice, rows, target.share) if target.few else set(FORMS)
    found: dict[tuple[str, str], Layers] = {}
    for (kind, form), each in rows.items():
        if each is None or (target.few and kind == _GREEDY) or form not in {"", *forms}:
            continue
        layers = each.gentlest(shop.within(target.share))
        said = "not reached" if not layers else f"{shop.share(layers).value:.3f}, {len(layers)} layers"
        note(f"{kind}{form and ', '}{form}: {said}")
        if layers:
            found[kind, form] = layers
    models = {layers: folder / f"model-{number}.onnx" for number, layers in enumerate(dict.fromkeys(found.values()))}
    return [Entrant(kind, form, layers, models[layers]) for (kind, form), layers in found.items()]


def _promising(choice: Choice, rows: Mapping[tuple[str, str], Rungs | None], share: float) -> set[str]:
    """The usual form, and those whose plans of that time are expected to do least harm, by their prices alone."""
    prices = choice.prices
    assert prices is not None
    most = share * dense_ms(prices)
    harm: dict[str, float] = {}
    for (kind, form), each in rows.items():
        layers = (
            each.gentlest(lambda layers: predicted_ms(prices, layers) <= most) if each and kind == _SINGLE else None
        )
        if layers:
            replaced = [layer for layer in layers if not layer.stays_dense]
            harm[form] = sum(choice.damages[layer.name, layer.form, layer.rank] for layer in replaced)
    return {_USUAL, *sorted(harm, key=lambda form: harm[form])[:_FEW_FORMS]}


def _compared(subject: Subject, shop: Workshop, entrants: Sequence[Entrant], original: Values) -> list[Raw]:
    """Fit every plan once, and time all models together."""
    fitted: dict[Path, _Fitted] = {}
    for entrant in entrants:
        if entrant.path not in fitted:
            fitted[entrant.path] = fit(subject, entrant.layers, entrant.path, original)
            outcome = fitted[entrant.path].judged.outcome
            note(f"{entrant.name}: {outcome.mean:.2f}, fitted in {outcome.seconds:.0f} s")
    paths = list(fitted)
    times = dict(zip(paths, shop.times(paths), strict=True))
    planner = next((fitted[each.path].judged for each in entrants if each.kind == PLANNER), None)
    rows = []
    for each in entrants:
        found = fitted[each.path]
        less = planner.better_than(found.judged) if planner is not None and each.kind != PLANNER else None
        rows.append(
            {
                "method": each.kind,
                "form": each.form,
                **times[each.path].raw,
                "outcome": asdict(found.judged.outcome),
                "planner_less_it": less,
                **found.distance,
                "same_as_planner": each.layers == entrants[0].layers,
                "plan": [[layer.name, layer.form, list(layer.rank), layer.emission] for layer in each.layers],
            }
        )
    return rows


def fit(subject: Subject, layers: Layers, path: Path, original: Values) -> _Fitted:
    """Fit the plan to all calibration inputs, what it keeps dense included, write the model to `path`, and judge it."""
    plan = subject.planned(layers)
    seconds = subject.convert(plan, methods.best, subject.inputs, subject.setting.seeds[0], path)
    answers = subject.answers(path)
    outcome = subject.judged(path, [subject.score(answers)], seconds, subject.inputs.count, len(layers))
    return _Fitted(outcome, distance(answers, original))


def distance(answers: Values, original: Values) -> dict[str, float | None]:
    """How far answers lie from the original's: relative L2, and for classes the share of those that are the same."""
    error = answers.astype(np.float64) - original
    same = answers.argmax(axis=1) == original.argmax(axis=1) if answers.ndim == 2 else None
    return {
        "l2": float(np.linalg.norm(error) / np.linalg.norm(original.astype(np.float64))),
        "agreement": None if same is None else float(same.mean()),
    }


def nearness(entry: Mapping[str, Any]) -> tuple[str, str]:
    """How near the outputs are: the ratio in dB, and the share of the same classes."""
    l2, agreement = entry["l2"], entry["agreement"]
    decibels = f"{-20 * math.log10(l2):.1f}" if l2 else "-"
    return decibels, "-" if agreement is None else f"{100 * agreement:.2f}"


def _tell(trained: Trained, page: Page, data: Raw) -> list[Aim]:
    if not data["targets"]:
        page.say("No plan is measurably faster than the network as it is.")
        return []
    sizes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in data["sizes"].items())
    page.say(
        f"Dense: {data['dense']:.2f} ms on one thread ({sizes}). Of every method the gentlest plan whose stand-in was "
        f"measured within the target; targets asked for: {', '.join(f'{x:g}' for x in data['asked'])}, moved to what "
        f"{_USUAL} at one rank everywhere takes where that is near, and raised where no plan is so fast. All are "
        "fitted alike, seed 0. Share: the fitted model in turns with the dense one; together: all models of the table "
        "in turns, which leaves less of each in the caches. The first conv stays dense in all. SQNR and agreement are "
        "with the original's outputs on the test inputs."
    )
    aims: list[Aim] = []
    for each in data["targets"]:
        target, rows = each["target"], each["rows"]
        page.say(f"### {target:g} of the time")
        page.say(tables.facts(tables.outcome(rows[0]), data["unit"]))
        page.table(
            (
                "method",
                "form",
                "share",
                "95 %",
                "together",
                "score",
                "planner less it",
                "95 %",
                "SQNR, dB",
                "agreement, %",
                "of the MACs",
                "fit, CPU s",
            ),
            [_row(row) for row in rows],
        )
        page.say("The planner's forms: " + _forms(rows[0]["plan"]) + ".")
        aims += _aims(f"{trained.name} at {target:g}", rows, trained.unit)
    page.say(
        "One rank everywhere: the first, second, ... rank that the form offers at every conv. Planned by MACs: the "
        "planner with all forms and no prices. Greedy: the rule of Zhang et al. 2015 on the energies of the kernels "
        "(`benchmarks/plans/greedy.py`). One form planned: the planner, offered that form only."
    )
    return aims


def _row(row: Raw) -> tuple[str, ...]:
    found, less = tables.outcome(row), row["planner_less_it"]
    difference = ("-", "-") if less is None else (f"{less[0]:+.2f}", tables.interval(less[1]))
    if less is not None and row["same_as_planner"]:
        difference = ("same plan", "-")
    shared = shown(row["share"])
    return (
        row["method"],
        row["form"] or "all",
        *shared,
        shown(row["together"])[0],
        f"{found.mean:.2f}",
        *difference,
        *nearness(row),
        f"{found.share:.3f}",
        f"{found.seconds:.1f}",
    )


def _forms(plan: Sequence[Sequence[str]]) -> str:
    counts: dict[str, int] = {}
    for _, form, *_ in plan:
        counts[form] = counts.get(form, 0) + 1
    return ", ".join(f"{form} {count}" for form, count in sorted(counts.items(), key=lambda item: -item[1]))


def _aims(what: str, rows: Sequence[Raw], unit: str) -> list[Aim]:
    """Against each kind of rival the one that does best; within the paired interval nothing is missed."""
    aims = []
    for kind in _RIVALS:
        those = [row for row in rows if row["method"] == kind]
        if not those or rows[0]["method"] != PLANNER:
            continue
        toughest = min(those, key=lambda row: float(row["planner_less_it"][0]))
        mean, (low, high) = toughest["planner_less_it"]
        form = f" ({toughest['form']})" if toughest["form"] else ""
        aims.append(
            Aim(f"{what}: {unit} of the planner less {kind}{form}", 0.0, mean, tolerance=round((high - low) / 2, 2))
        )
    return aims


def _part(trained: Trained) -> Part:
    return Part(
        f"quality/{trained.name}",
        f"At equal time: {trained.name}",
        lambda setting: _measure(trained, setting.first),
        lambda page, data: _tell(trained, page, data),
    )


PARTS = tuple(map(_part, _TARGETS))

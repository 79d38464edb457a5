"""Section `latency`: what the prices say a plan will take, and what it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import networks
import numpy as np
from fits.parts import Aim, Kept, Part, Raw
from fits.subjects import Subject
from fits.trained import RESNET20, WIDE, Setting
from scipy.stats import spearmanr
from torch import nn
from writing import Page

from convprof import analysis, execution, planning
from convprof.forms import FORMS
from convprof.graph import find_convs
from convprof.latency import dense_ms, predicted_ms
from convprof.planning import Choice
from convprof.records.plan import Budget, PlannedLayer
from convprof.records.prices import LatencyTable
from plans.notes import note
from plans.workshop import Layers, Workshop, shown

_SIDE, _TRIAL_SIDE = 224, 64
_PLANS = 6
_DENSE = 1 / 3
"""How often a layer of a random mix stays as it is."""
_TRIAL_FORMS = ("depthwise-pointwise", "channel")
_ERROR, _RANKS = 10.0, 0.9
_SECTION = "latency"
_VGG = "VGG16 without its wide layers"


def _random(make: Callable[[], nn.Module]) -> Callable[[Setting], Workshop]:
    """A network with random weights, which time does not depend on."""

    def opened(setting: Setting) -> Workshop:
        path = setting.folder / "model.onnx"
        networks.export(make(), _TRIAL_SIDE if setting.trial else _SIDE, path)
        return _workshop(path, setting)

    return opened


def _workshop(path: Path, setting: Setting) -> Workshop:
    model = execution.settle(execution.load(path), {}, {}, {})
    counted = analysis.analyze(model, max_rank=0)
    convs = planning.select(counted, (), ())
    return Workshop(model, counted, convs, None, setting.folder / "shop", trial=setting.trial)


def _vgg() -> nn.Module:
    """VGG16's convs, then a mean over the map and one layer: 60 MB in place of 550."""
    layers = list(networks.build("VGG16").children())
    convs = layers[: next(number for number, layer in enumerate(layers) if isinstance(layer, nn.Flatten))]
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)).eval()


def _trained(subject: Subject) -> Workshop:
    convs = planning.select(subject.counted, (), ())
    setting = subject.setting
    shop = setting.folder / "shop"
    return Workshop(subject.model, subject.counted, convs, subject.inputs, shop, trial=setting.trial)


_NETWORKS: dict[str, Callable[[Setting], Workshop]] = {
    "ResNet-18": _random(lambda: networks.build("ResNet-18")),
    "VGG16": _random(_vgg),
    RESNET20.name: lambda setting: _trained(Subject(RESNET20, setting)),
    WIDE.name: lambda setting: _trained(Subject(WIDE, setting)),
}


def _measure(opened: Callable[[Setting], Workshop], setting: Setting) -> Raw:
    shop = opened(setting)
    start = time.perf_counter()
    prices = shop.prices(_TRIAL_FORMS if setting.trial else tuple(FORMS))
    seconds = time.perf_counter() - start
    note(f"{len(prices.candidates)} candidates priced in {seconds:.0f} s")
    count = 2 if setting.trial else _PLANS
    plans = [("planned", layers) for layers in _planned(shop, prices, count)]
    plans += [("random mix", _mix(prices, seed)) for seed in range(count)]
    rows = []
    for kind, layers in plans:
        expected = predicted_ms(prices, layers) / dense_ms(prices)
        share = shop.share(layers)
        note(f"{kind}, {len(layers)} layers: predicted {expected:.3f}, measured {share.value:.3f}")
        rows.append({"kind": kind, "layers": len(layers), "predicted": expected, "share": share.raw})
    return {
        "rows": rows,
        "convs": len(shop.convs),
        "candidates": len(prices.candidates),
        "pricing": seconds,
        "dense": shop.dense_ms,
        "cautions": [caution.text for caution in prices.cautions],
    }


def _planned(shop: Workshop, prices: LatencyTable, count: int) -> list[Layers]:
    """Plans from gentle to harsh; the damages are what random kernels lose of their energy, which takes no data."""
    offers = planning.offered(shop.convs, sorted({each.form for each in prices.candidates}), prices)
    specs = {conv.name: conv.known_site.spec for conv in find_convs(shop.model) if conv.name in offers.by_layer}
    damages = {
        (name, each.form, each.rank): 1 - FORMS[each.form].energy_random(specs[name], each.rank)
        for name, every in offers.by_layer.items()
        for each in every
    }
    choice = Choice(shop.counted, shop.convs, offers, damages, prices, lambda layers: ())
    return [plan.layers for plan in planning.sweep(choice, Budget(), count)]


def _mix(prices: LatencyTable, seed: int) -> Layers:
    """For every layer one of all its candidates, of any form, rank and emission, or the conv as it is."""
    random = np.random.default_rng(seed)
    by_layer: dict[str, list[PlannedLayer]] = {}
    for each in prices.candidates:
        by_layer.setdefault(each.name, []).append(PlannedLayer(each.name, each.form, each.rank, each.emission))
    drawn = {name: every[int(random.integers(len(every)))] for name, every in by_layer.items()}
    return tuple(layer for layer in drawn.values() if random.random() >= _DENSE)


def _tell(name: str, page: Page, data: Raw) -> list[Aim]:
    rows = data["rows"]
    what = f"{_VGG}: {data['convs']}" if name == "VGG16" else f"{data['convs']}"
    page.say(
        f"{what} convolutions, {data['candidates']:,} candidates priced in {data['pricing']:.0f} s; dense "
        f"{data['dense']:.2f} ms on one thread. Planned: from gentle to harsh, damages being the energy that random "
        "kernels lose. Mixes: every layer at a candidate drawn from all, any emission included, or left dense. Shares "
        "are of the dense model's time, each measured in a run of its own, interleaved with the dense model."
    )
    page.table(
        ("plan", "layers", "predicted", "measured", "95 %", "error, %"),
        [
            (row["kind"], row["layers"], f"{row['predicted']:.3f}", *shown(row["share"]), f"{_error(row):+.1f}")
            for row in rows
        ],
    )
    if data["cautions"]:
        page.notes(data["cautions"])
    return _aims(name, rows)


def _aims(name: str, rows: Sequence[Raw]) -> list[Aim]:
    predicted = [row["predicted"] for row in rows]
    measured = [row["share"]["value"] for row in rows]
    error = float(np.median([abs(_error(row)) for row in rows]))
    return [
        Aim(f"predicted time, {name}: median absolute error, %, at most", _ERROR, error, at_most=True),
        Aim(f"predicted time, {name}: Spearman's rank correlation", _RANKS, float(spearmanr(predicted, measured)[0])),
    ]


def _error(row: Raw) -> float:
    """Per cent by which the prediction is above what was measured."""
    return float(100 * (row["predicted"] / row["share"]["value"] - 1))


def over_all(page: Page, kept: Kept) -> list[Aim]:
    """What the networks measured so far say together."""
    parts = [kept[part.name]["data"]["rows"] for part in PARTS if part.name in kept]
    if not parts:
        return []
    rows = [row for part in parts for row in part]
    aims = _aims(f"all {len(parts)} networks", rows)
    page.say("## Predicted and measured time: all networks")
    kinds = {"all": rows} | {kind: [row for row in rows if row["kind"] == kind] for kind in ("planned", "random mix")}
    table = []
    for kind, those in kinds.items():
        error, ranks = _aims("", those)
        signed = float(np.median([_error(row) for row in those]))
        largest = max(abs(_error(row)) for row in those)
        table.append((kind, len(those), *(f"{x:.1f}" for x in (error.found, signed, largest)), f"{ranks.found:.3f}"))
    page.table(("plans", "n", "median |error|, %", "median error, %", "largest, %", "Spearman"), table)
    return aims


def _part(name: str, opened: Callable[[Setting], Workshop]) -> Part:
    return Part(
        f"{_SECTION}/{name}",
        f"Predicted and measured time: {name}",
        lambda setting: _measure(opened, setting),
        lambda page, data: _tell(name, page, data),
    )


PARTS = tuple(_part(name, opened) for name, opened in _NETWORKS.items())

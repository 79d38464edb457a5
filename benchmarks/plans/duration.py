"""Section `time`: how long planning takes, and how long another budget takes then."""

from __future__ import annotations

import time

import networks
from fits.parts import Aim, Part, Raw
from fits.timing import smooth
from fits.trained import Setting
from writing import Page

import convprof
from convprof.execution import load
from plans.notes import Ticker, note

_NETWORK = "ResNet-18"
_SIDE, _TRIAL_SIDE = 224, 64
_INPUTS, _TRIAL_INPUTS = 64, 4
_BUDGETS = (0.5, 0.6)
_AIMS = (300.0, 10.0)
_TRIAL_FORMS = ("depthwise-pointwise", "channel")


def _measure(setting: Setting) -> Raw:
    path = setting.folder / "resnet18.onnx"
    networks.export(networks.build(_NETWORK), _TRIAL_SIDE if setting.trial else _SIDE, path)
    count = _TRIAL_INPUTS if setting.trial else _INPUTS
    inputs = smooth(load(path).inputs[0].shape or (), count, setting.folder)
    runs = []
    for budget in _BUDGETS:
        ticker, start = Ticker(), time.perf_counter()
        found = convprof.plan(
            path,
            setting.folder / "run",
            calibration=str(inputs),
            budget=convprof.Budget(target_latency=max(budget, 0.9) if setting.trial else budget),
            forms=_TRIAL_FORMS if setting.trial else (),
            progress=ticker,
        )
        seconds = time.perf_counter() - start
        note(f"{budget:g} of the time: planned in {seconds:.1f} s")
        plan = found.plan
        runs.append(
            {
                "budget": plan.budget.target_latency,
                "seconds": seconds,
                "spent": ticker.spent,
                "layers": len(plan.layers),
                "predicted": plan.predicted.latency,
                "measured": None if plan.measured is None else plan.measured.latency,
                "candidates": 0 if found.prices is None else len(found.prices.candidates),
            }
        )
    return {"inputs": count, "runs": runs}


def _tell(page: Page, data: Raw) -> list[Aim]:
    runs = data["runs"]
    kinds = list(dict.fromkeys(kind for run in runs for kind in run["spent"]))
    page.say(
        f"{_NETWORK} with random weights, {data['inputs']} pictures of smoothed noise, {runs[0]['candidates']:,} "
        "candidates priced; `convprof.plan(...)` twice in the same folder, at two budgets. Wall seconds, told apart by "
        "what the progress says; what goes before a stage's first report counts as its own."
    )
    page.table(
        ("target", "in all, s", *(f"{kind}, s" for kind in kinds), "rest, s", "layers", "predicted", "measured"),
        [_row(run, kinds) for run in runs],
    )
    names = ("planning", "planning for another budget")
    return [
        Aim(f"{_NETWORK}: {name}, seconds, at most", most, run["seconds"], at_most=True)
        for name, most, run in zip(names, _AIMS, runs, strict=True)
    ]


def _row(run: Raw, kinds: list[str]) -> tuple[object, ...]:
    spent = run["spent"]
    rest = run["seconds"] - sum(spent.values())
    shares = ("-" if share is None else f"{share:.3f}" for share in (run["predicted"], run["measured"]))
    parts = (f"{spent[kind]:.1f}" if kind in spent else "-" for kind in kinds)
    return f"{run['budget']:g}", f"{run['seconds']:.1f}", *parts, f"{rest:.1f}", run["layers"], *shares


PARTS = (Part("time", f"How long planning takes: {_NETWORK}", _measure, _tell),)

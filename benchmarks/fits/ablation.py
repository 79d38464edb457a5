"""Section `ablation`: what each step of the method is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from writing import Page

from convprof.fitting import Level
from fits import baselines, methods, tables
from fits.parts import Aim, Part, Raw
from fits.subjects import Method, Subject
from fits.trained import RESNET20, WIDE, Setting, Trained

_STEPS: Mapping[str, tuple[Method, str]] = {
    "weights": (methods.weights, "truncated SVD of every channel's slice"),
    "whitened": (
        baselines.method(baselines.whitened_slices),
        "the same in the metric of the channel's own inputs, bias corrected",
    ),
    "symmetric": (methods.at(Level.SYMMETRIC), "all channels fitted together, on the original network's inputs"),
    "asymmetric": (methods.at(Level.ASYMMETRIC), "on the inputs of the network as converted so far"),
    "joined": (methods.at(Level.JOINED), "and for the sum that the response goes into"),
    "activated": (methods.at(Level.ACTIVATED), "and for what the activation behind lets through"),
    "held out": (methods.at(Level.HELD_OUT), "and where inputs are few, choices made on some held out: all of it"),
}


def _measure(trained: Trained, ranks: Sequence[int], setting: Setting) -> Raw:
    subject = Subject(trained, setting)
    rows = []
    for step, (method, _) in _STEPS.items():
        for rank in ranks:
            seeds = setting.seeds[:1] if step == "weights" else setting.seeds
            rows.append(tables.row(subject.try_out(subject.uniform(rank), method, seeds), step=step, rank=rank))
    return {"unit": trained.unit, "rows": rows}


def _tell(page: Page, data: Raw) -> list[Aim]:
    rows: list[Raw] = data["rows"]
    ranks = sorted({row["rank"] for row in rows})
    page.say(tables.facts(tables.outcome(rows[-1]), data["unit"]))
    page.table(
        ("step", "what it is", *(f"rank {rank}" for rank in ranks)),
        [
            (step, what, *(f"{tables.pick(rows, step=step, rank=rank).mean:.2f}" for rank in ranks))
            for step, (_, what) in _STEPS.items()
        ],
    )
    page.say("Each in full:")
    page.table(
        ("step", "rank", *tables.SCORED),
        [(row["step"], row["rank"], *tables.scored(tables.outcome(row))) for row in rows],
    )
    return []


PARTS = (
    Part(
        "ablation/resnet20_cifar10",
        "Step by step: resnet20_cifar10",
        lambda setting: _measure(RESNET20, (1, 2, 3), setting),
        _tell,
    ),
    Part(
        "ablation/wide_cifar10",
        "Step by step: wide_cifar10",
        lambda setting: _measure(WIDE, (1, 2), setting.first),
        _tell,
    ),
)

"""Sections `resnet20`, `denoiser` and `synthetic`: conversions beside the prototype's figures and the aims."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

from writing import Page

import convprof
from fits import equal, methods, tables
from fits.parts import Aim, Part, Raw
from fits.subjects import Judged, Subject
from fits.trained import DNCNN, RESNET20, WIDE, Setting, Trained

_RANKS = (1, 2, 3)
_FORM = "depthwise-pointwise"
# Top-1 in percent that the prototype reached with the same pictures; dense 86.72.
_PROTOTYPE: Mapping[str, tuple[float | None, ...]] = {
    "weights only": (12.1, 19.2, 64.8),
    "asymmetric, 8 sweeps": (69.5, 83.0, 85.2),
    "residual-aware": (70.7, 83.3, 85.4),
    "and 300 gradient steps a layer": (75.5, 83.6, None),
}
_CLOSED_FORM = "asymmetric, 8 sweeps"
_AIMS = (80.0, 85.5, 86.5)
_TOLERANCE = 0.5
_DENOISER = {("weights", 2): 20.35, ("calibrated", 2): 29.52, ("calibrated", 3): 29.93}
_SYNTHETIC_PROTOTYPE = {2: 74.8, 3: 84.0}
_SYNTHETIC_AIMS = {2: 79.0, 3: 84.7}


def _measure_resnet20(setting: Setting) -> Raw:
    subject = Subject(RESNET20, setting)
    rows = []
    for rank in _RANKS:
        plan = subject.uniform(rank)
        rows.append(tables.row(subject.try_out(plan, methods.weights, setting.seeds[:1]), init="weights", rank=rank))
        rows.append(tables.row(subject.try_out(plan, methods.best), init="calibrated", rank=rank))
    return {"rows": rows}


def _tell_resnet20(page: Page, data: Raw) -> list[Aim]:
    rows = data["rows"]
    page.say(tables.facts(tables.outcome(rows[0]), RESNET20.unit))
    page.table(
        ("init", "rank", *tables.SCORED),
        [(row["init"], row["rank"], *tables.scored(tables.outcome(row))) for row in rows],
    )
    page.say("Beside the prototype's figures, of one run each on the same pictures (top-1 %):")
    page.table(
        ("rank", "weights only: prototype", "found", *list(_PROTOTYPE)[1:], "calibrated: found", "aim", "difference"),
        [_beside_prototype(rows, rank) for rank in _RANKS],
    )
    page.say("The standard error of an accuracy on 10,000 pictures is 0.3 to 0.5 points.")
    aims = []
    for rank, aim in zip(_RANKS, _AIMS, strict=True):
        found = tables.pick(rows, init="calibrated", rank=rank).mean
        closed = _PROTOTYPE[_CLOSED_FORM][rank - 1] or 0.0
        aims.append(Aim(f"ResNet-20, rank {rank}, top-1 %", aim, found))
        aims.append(Aim("the same, no worse than the prototype's closed form", closed, found, _TOLERANCE, floor=True))
    return aims


def _beside_prototype(rows: Sequence[Raw], rank: int) -> tuple[object, ...]:
    figures = ["-" if figures[rank - 1] is None else figures[rank - 1] for figures in _PROTOTYPE.values()]
    plain, found = (tables.pick(rows, init=init, rank=rank).mean for init in ("weights", "calibrated"))
    aim = _AIMS[rank - 1]
    return rank, figures[0], f"{plain:.2f}", *figures[1:], f"{found:.2f}", aim, f"{found - aim:+.2f}"


def _measure_denoiser(setting: Setting) -> Raw:
    subject = Subject(DNCNN, setting)
    rows = []
    for init, rank in _DENOISER:
        method, seeds = (methods.weights, setting.seeds[:1]) if init == "weights" else (methods.best, setting.seeds)
        judged = subject.try_out(equal.plan(subject, _FORM, rank), method, seeds)
        rows.append(tables.row(judged, init=init, rank=rank))
    return {"rows": rows}


def _tell_denoiser(page: Page, data: Raw) -> list[Aim]:
    rows, aims = data["rows"], []
    page.say(tables.facts(tables.outcome(rows[0]), DNCNN.unit))
    shown = []
    for row in rows:
        found, figure = tables.outcome(row), _DENOISER[row["init"], row["rank"]]
        shown.append((row["init"], row["rank"], *tables.scored(found), figure, f"{found.mean - figure:+.2f}"))
        if row["init"] == "calibrated":
            aims.append(Aim(f"DnCNN, rank {row['rank']}, dB: the prototype's", figure, found.mean))
    page.table(("init", "rank", *tables.SCORED, "prototype", "difference"), shown)
    page.say(
        "Calibrated on noisy crops of 64x64, two of each picture of Set68; judged on the seven pictures of set12 of "
        "256x256. Seven pictures are few: the interval is that of the mean over them, and says little of others."
    )
    return aims


def _measure_synthetic(setting: Setting) -> Raw:
    rows: list[Raw] = []
    for trained, ranks in ((RESNET20, (2, 3)), (WIDE, (1, 2))):
        seeds = setting.seeds if trained is RESNET20 else setting.seeds[:1]
        subject = Subject(trained, setting)
        found = {rank: _without_data(subject, rank, seeds) for rank in ranks}
        rows += [tables.row(judged, network=trained.name, rank=rank) for rank, judged in found.items()]
    return {"rows": rows}


def _without_data(subject: Subject, rank: int, seeds: Sequence[int]) -> Judged:
    """Converted as a user without data would do it; the seed draws the pictures too."""
    path, found, spent = subject.setting.folder / "converted.onnx", [], []
    for seed in seeds:
        start = time.process_time()
        convprof.rewrite(
            subject.path,
            path,
            form=_FORM,
            rank=(rank,),
            skip=subject.skipped,
            calibration="synthetic",
            preprocess=subject.trained.preprocess,
            seed=seed,
        )
        spent.append(time.process_time() - start)
        found.append(subject.judge(path))
    return subject.judged(path, found, statistics.fmean(spent), 0, len(subject.sites))


def _tell_synthetic(page: Page, data: Raw) -> list[Aim]:
    rows: list[Raw] = data["rows"]
    dense = {row["network"]: f"{row['network']} {tables.outcome(row).dense:.2f} %" for row in rows}
    page.say(
        '`convprof.rewrite(..., calibration="synthetic")`: pictures that are drawn, not taken. '
        f"n = {tables.outcome(rows[0]).tests:,} test pictures; dense: {', '.join(dense.values())}."
    )
    shown, aims = [], []
    for row in rows:
        found, rank = tables.outcome(row), row["rank"]
        known = row["network"] == RESNET20.name
        figures = (_SYNTHETIC_PROTOTYPE[rank], _SYNTHETIC_AIMS[rank]) if known else ("-", "-")
        shown.append((row["network"], rank, *tables.scored(found), *figures))
        if known:
            aims.append(Aim(f"ResNet-20 without data, rank {rank}, top-1 %", _SYNTHETIC_AIMS[rank], found.mean))
    page.table(("network", "rank", *tables.SCORED, "prototype", "aim"), shown)
    page.say("Seconds are those of the whole rewrite, drawing the pictures included.")
    return aims


def _describe(trained: Trained, what: str) -> str:
    return f"{trained.name}: {what}"


PARTS = (
    Part(
        "resnet20",
        _describe(RESNET20, "depthwise-pointwise in every 3x3 convolution but the stem"),
        _measure_resnet20,
        _tell_resnet20,
    ),
    Part("denoiser", _describe(DNCNN, "depthwise-pointwise behind the first"), _measure_denoiser, _tell_denoiser),
    Part("synthetic", "Without data", _measure_synthetic, _tell_synthetic),
)

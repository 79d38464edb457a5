"""Section `int8`: integers as rival and as ally of planned networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fits import tables
from fits.parts import Aim, Part, Raw
from fits.subjects import Subject
from fits.trained import DNCNN, RESNET20, WIDE, Setting, Trained, Values
from writing import Page

import convprof
from convprof.errors import ConvprofError
from convprof.forms import FORMS
from plans import quality, rungs
from plans.notes import note
from plans.workshop import Layers, Share, Times, Workshop, shown

_NETWORKS = (RESNET20, WIDE, DNCNN)
_TARGETS = (0.5, 0.6, 0.7, 0.8, 0.9)
_POINT, _DECIBELS = 1.0, 0.5
"""The largest loss with which a network still counts as good: of top-1 %, of PSNR."""
_ONE = Share(1.0, 1.0, 1.0)
_DENSE, _INT8, _SEPARABLE, _BOTH = "dense", "dense int8", "planned", "planned int8"


@dataclass(frozen=True)
class _Planned:
    """A planned model: where it lies (None where nothing is faster), for which target, the fit, and its layers."""

    path: Path | None
    target: float | None
    seconds: float
    layers: int


def _measure(trained: Trained, setting: Setting) -> Raw:
    subject, shop = quality.opened(trained, setting)
    original = subject.answers(subject.path)
    planned = _planned(subject, shop, original)
    paths = {_INT8: setting.folder / "int8.onnx"}
    refused: dict[str, str] = {}
    _quantized(subject, subject.path, paths[_INT8])
    if planned.path is not None:
        paths[_SEPARABLE] = planned.path
        try:
            _quantized(subject, planned.path, setting.folder / "both.onnx")
            paths[_BOTH] = setting.folder / "both.onnx"
        except ConvprofError as error:
            refused[_BOTH] = str(error)
    times = shop.times(list(paths.values()))
    every = {_DENSE: (subject.path, Times(_ONE, _ONE))}
    every |= {name: (path, taken) for (name, path), taken in zip(paths.items(), times, strict=True)}
    rows = []
    for name, (path, taken) in every.items():
        scores = subject.score(answers := subject.answers(path))
        note(f"{name}: {trained.scale * scores.mean():.2f}, {taken.alone.value:.3f} of the time")
        rows.append(
            {
                "model": name,
                **taken.raw,
                "score": trained.scale * float(scores.mean()),
                "change": subject.change(scores),
                "bytes": path.stat().st_size,
                **quality.distance(answers, original),
            }
        )
    return {
        "unit": trained.unit,
        "rows": rows,
        "target": planned.target,
        "layers": planned.layers,
        "tests": subject.tests.count,
        "dense": shop.dense_ms,
        "refused": refused,
        "fit": planned.seconds,
    }


def _planned(subject: Subject, shop: Workshop, original: Values) -> _Planned:
    """The planner's fastest model, of those tried, within the loss; else the gentlest."""
    setting = subject.setting
    row, path = rungs.solved(shop.by_time(quality.TRIAL_FORMS if setting.trial else tuple(FORMS))), "planned.onnx"
    made = _Planned(None, None, 0.0, 0)
    if row is None:
        return made
    before: Layers = ()
    for target in _TARGETS[:1] if setting.trial else _TARGETS:
        layers = row.gentlest(shop.within(target))
        if setting.trial:
            layers = layers or row.at(row.count - 1)
        if not layers or layers == before:
            continue
        before = layers
        found = quality.fit(subject, layers, setting.folder / path, original).judged.outcome
        note(f"planned at {target:g}: {found.mean:.2f} after {found.dense:.2f}")
        made = _Planned(setting.folder / path, target, found.seconds, len(layers))
        if found.dense - found.mean <= _loss(subject.trained):
            break
    return made


def _loss(trained: Trained) -> float:
    return _POINT if trained.scale > 1 else _DECIBELS


def _quantized(subject: Subject, path: Path, output: Path) -> None:
    convprof.quantize(path, output, calibration=str(subject.calibration), preprocess=subject.trained.preprocess)


def _tell(trained: Trained, page: Page, data: Raw) -> list[Aim]:
    planned = "No plan was faster than the network."
    if data["target"] is not None:
        targets = ", ".join(f"{target:g}" for target in _TARGETS)
        planned = (
            f"Planned: the fastest of {targets} of the time within {_loss(trained):g} of the score, or the gentlest: "
            f"{data['target']:g}, {data['layers']} layers, fitted in {data['fit']:.0f} CPU s."
        )
    page.say(
        f"Dense: {data['dense']:.2f} ms on one thread, n = {data['tests']:,} test inputs ({data['unit']}). {planned} "
        "Share: in turns with the dense model; together: all in turns, which leaves less of each in the caches. The "
        "change of the score is paired with the dense network's."
    )
    page.table(
        (
            "model",
            "share of the time",
            "95 %",
            "together",
            "times as fast",
            "score",
            "change, 95 %",
            "SQNR, dB",
            "agreement, %",
            "bytes",
        ),
        [
            (
                row["model"],
                *shown(row["share"]),
                shown(row["together"])[0],
                f"{1 / row['share']['value']:.2f}",
                f"{row['score']:.2f}",
                tables.interval(row["change"]),
                *quality.nearness(row),
                f"{row['bytes']:,}",
            )
            for row in data["rows"]
        ],
    )
    if data["refused"]:
        page.notes(f"{name}: {why}" for name, why in data["refused"].items())
    return []


def _part(trained: Trained) -> Part:
    return Part(
        f"int8/{trained.name}",
        f"Beside integers: {trained.name}",
        lambda setting: _measure(trained, setting.first),
        lambda page, data: _tell(trained, page, data),
    )


PARTS = tuple(map(_part, _NETWORKS))

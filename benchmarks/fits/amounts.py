"""Sections `inputs` and `few`: how many unlabelled inputs a fit needs, and what it does with too few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from writing import Page

from convprof.data import Batches
from convprof.fitting import Level
from fits import curve, methods, tables
from fits.parts import Aim, Part, Raw
from fits.subjects import Judged, Subject
from fits.trained import RESNET20, WIDE, Setting, Trained

_COUNTS = tuple(1 << power for power in range(4, 13))
_RANKS = (1, 2)
_ENOUGH = 512
_NOISE = 0.5
PICTURE = "fit_inputs.svg"

_FEW = (8, 16, 64, 256)
_GENTLE = (2, 4)
_LEVELS = {"symmetric": Level.SYMMETRIC, "activated": Level.ACTIVATED, "held out": Level.HELD_OUT}


def _measure_inputs(setting: Setting) -> Raw:
    subject = Subject(RESNET20, setting)
    pool = subject.open(_pool(setting, max(_COUNTS)))
    counts = sorted({min(count, pool.count) for count in _COUNTS})
    rows = []
    for rank in _RANKS:
        for count in counts:
            judged = subject.try_out(subject.uniform(rank), methods.best, inputs=_some(pool, count))
            rows.append(tables.row(judged, rank=rank, inputs=count))
    return {"rows": rows}


def _pool(setting: Setting, count: int) -> Path:
    """A file of the calibration pictures and, behind them, of training pictures that are not among them."""
    with np.load(setting.data / "cifar10_calib.npz") as stored:
        first = stored["x"]
    with np.load(setting.data / "cifar10_train.npz") as stored:
        further = stored["x"]
    known = {picture.tobytes() for picture in first}
    # The file is sorted by class.
    drawn = further[np.random.default_rng(0).permutation(len(further))[: 2 * count]]
    new = drawn[[picture.tobytes() not in known for picture in drawn]]
    path = setting.folder / "pool.npz"
    np.savez(path, allow_pickle=False, x=np.concatenate([first, new])[:count])
    return path


def _some(pool: Batches, count: int) -> Callable[[int], Batches]:
    """`count` inputs of the pool, others for each seed where there are enough."""

    def inputs(seed: int) -> Batches:
        start = min(seed * count, pool.count - count)
        return pool.slice(start, start + count)

    return inputs


def _tell_inputs(page: Page, data: Raw) -> list[Aim]:
    rows: list[Raw] = data["rows"]
    dense = tables.outcome(rows[0])
    page.say(
        f"Dense: {dense.dense:.2f} (top-1 %), n = {dense.tests:,} test pictures. Seed s is calibrated with n pictures "
        "from the s n-th on, as far as there are so many: up to 1,024 are those of the other sections, those behind "
        "them further training pictures, all without labels."
    )
    page.table(
        ("rank", "inputs", *tables.SCORED),
        [(row["rank"], f"{row['inputs']:,}", *tables.scored(tables.outcome(row))) for row in rows],
    )
    page.say(f"![top-1 against the number of inputs]({PICTURE})")
    return [_flat([row for row in rows if row["rank"] == rank], rank) for rank in _RANKS]


def _flat(rows: Sequence[Raw], rank: int) -> Aim:
    """What more inputs than enough still bring."""
    enough = max(min(_ENOUGH, max(row["inputs"] for row in rows)), rows[0]["inputs"])
    base = next(tables.outcome(row).mean for row in rows if row["inputs"] == enough)
    gain = max(tables.outcome(row).mean - base for row in rows if row["inputs"] >= enough)
    what = f"rank {rank}: gained by more than {_ENOUGH} inputs, points ({_NOISE} is noise)"
    return Aim(what, 0.0, gain, _NOISE, at_most=True)


def picture(data: Raw) -> str:
    """The curve of section `inputs`."""
    rows: list[Raw] = data["rows"]
    lines = {
        f"rank {rank}": [(row["inputs"], tables.outcome(row).mean) for row in rows if row["rank"] == rank]
        for rank in sorted({row["rank"] for row in rows}, reverse=True)
    }
    return curve.draw(lines, ("dense", tables.outcome(rows[0]).dense), "unlabelled inputs", "top-1 %")


def _measure_few(trained: Trained, setting: Setting) -> Raw:
    subject = Subject(trained, setting)
    rows = []
    for rank in _GENTLE:
        for count in sorted({min(count, subject.inputs.count) for count in _FEW}):
            tried = {name: _try(subject, rank, count, level) for name, level in _LEVELS.items()}
            rows += [tables.row(judged, rank=rank, inputs=count, level=name) for name, judged in tried.items()]
            gain, bounds = tried["held out"].better_than(tried["symmetric"])
            rows[-1]["gain"] = [gain, *bounds]
    return {"rows": rows}


def _try(subject: Subject, rank: int, count: int, level: Level) -> Judged:
    return subject.try_out(subject.uniform(rank), methods.at(level), inputs=_some(subject.inputs, count))


def _tell_few(page: Page, data: Raw) -> list[Aim]:
    rows: list[Raw] = data["rows"]
    some = tables.outcome(rows[0])
    page.say(
        f"Dense: {some.dense:.2f} (top-1 %), n = {some.tests:,} test pictures, other inputs for each seed. "
        "Symmetric: fitted on what the original network sees. Activated: on what the converted network sees, for what "
        "activations let through, without a second thought. Held out: all of convprof, which tries both, and stronger "
        "ridges, on an eighth of the inputs. The interval is that of the gain over the symmetric fit, paired over the "
        f"pictures. {_NOISE} points are taken for noise."
    )
    shown = []
    for rank, count in dict.fromkeys((row["rank"], row["inputs"]) for row in rows):
        found = {name: tables.pick(rows, rank=rank, inputs=count, level=name) for name in _LEVELS}
        gain = _gain(rows, rank, count)
        means = [f"{each.mean:.2f}" for each in found.values()]
        last = (tables.spread(found["held out"]), f"{gain[0]:+.2f}", tables.interval(gain[1:]))
        shown.append((rank, f"{count:,}", *means, *last, f"{found['held out'].seconds:.1f}"))
    page.table(("rank", "inputs", *_LEVELS, "over seeds", "gain", "95 %", "fit, CPU s"), shown)
    worst = min(row["gain"][0] for row in rows if "gain" in row)
    return [Aim("few inputs, never below the symmetric fit: the least gain, points", 0.0, worst, _NOISE)]


def _gain(rows: Sequence[Raw], rank: int, count: int) -> list[float]:
    gain: list[float] = next(
        row["gain"] for row in rows if "gain" in row and (row["rank"], row["inputs"]) == (rank, count)
    )
    return gain


PARTS = (
    Part("inputs", "How many inputs: resnet20_cifar10", _measure_inputs, _tell_inputs),
    *(
        Part(f"few/{trained.name}", f"Few inputs: {trained.name}", partial(_measure_few, trained), _tell_few)
        for trained in (RESNET20, WIDE)
    ),
)

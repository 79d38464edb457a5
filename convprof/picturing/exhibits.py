"""The stage: runs both models on the few samples that a comparison has named, and keeps what there is to see.

Nothing is scaled, for the mean of neighbours would hide a difference: of what is too large, the part where the two
outputs differ most is shown, and no more than that is kept of a sample. What all take together stays below a bound, for
a report carries it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log10
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from convprof import execution, png
from convprof.data import Batches, Pixels
from convprof.frames import COLOURS, Frame, Window, find, windows
from convprof.graph import Model
from convprof.picturing import shades
from convprof.picturing.shades import Range
from convprof.records.fidelity import Fidelity, SampleFidelity
from convprof.records.pictures import Pictures, SamplePictures
from convprof.runtime import Session

Array = NDArray[Any]
_Files = tuple[bytes, bytes, bytes]
"""Of the dense output, the converted one, and their difference."""

_SIDES = (192, 160, 128, 96, 64)
_BYTES = 256 << 10


@dataclass(frozen=True)
class _Part:
    """What is shown of a sample: input (h, w, channels), outputs (H, W, channels) or classes (H, W)."""

    window: Window
    fed: Array
    before: Array
    after: Array


@dataclass(frozen=True)
class _Sample:
    """One sample: the part to show for each of _SIDES, figures of the whole, the size of the whole output.

    `squares` are mean squared differences by channel; None for classes.
    """

    which: SampleFidelity
    parts: tuple[_Part, ...]
    max_abs: float | None
    squares: Array | None
    changed: float | None
    size: tuple[int, int]


def take(
    before: Session, after: Session, model: Model, batches: Batches, fidelity: Fidelity, converted: str
) -> Pictures | None:
    """Pictures of the samples that `fidelity` names for the first output that is a picture of an input.

    `model` is the original, `converted` the sha256 of the other model's file. None where no output is a picture.
    """
    named = {output.name: output.samples for output in fidelity.outputs if output.samples}
    if not named:
        return None
    feeds, _ = execution.around(model, batches, 0)
    outputs = before.run(feeds)
    frame = find(feeds, {name: outputs[name] for name in named})
    if frame is None:
        return None
    samples = [_run(before, after, model, batches, frame, each) for each in named[frame.output]]
    pixels = batches.pixels(frame.input)
    seen = shades.range_of([each.parts[0].fed for each in samples], None) if pixels is None else _range(pixels)
    height, width = samples[0].size
    bare = Pictures(
        schema="convprof.pictures/1",
        converted=converted,
        input=frame.input,
        output=frame.output,
        kind=frame.kind,
        height=height,
        width=width,
        scale=frame.scale,
        input_span=seen.span,
        samples=(),
    )
    show = _classes if frame.kind == "classes" else _values
    tries = (show(bare, samples, seen, number) for number in range(len(_SIDES)))
    return next((each for each in tries if _size(each) <= _BYTES), None)


def _range(pixels: Pixels) -> Range:
    black, white = (each[:COLOURS] for each in pixels.ends)
    return Range("preprocessing", black, white, pixels.blue_first)


def _run(
    before: Session, after: Session, model: Model, batches: Batches, frame: Frame, which: SampleFidelity
) -> _Sample:
    """Run both models on one sample; only small parts of what that takes are kept."""
    feeds, at = execution.around(model, batches, which.sample)
    old, new = (session.run(feeds)[frame.output] for session in (before, after))
    fed = frame.fed(feeds, at)
    if frame.kind == "classes":
        a, b = frame.classes(old)[at], frame.classes(new)[at]
        apart = (a != b).astype(np.float32)
        return _Sample(which, _parts(frame, fed, a, b, apart), None, None, float(apart.mean()), a.shape[:2])
    a, b = frame.values(old, at), frame.values(new, at)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite has no figures
        difference = np.abs(b - a)
        squares = np.square(difference).mean(axis=(0, 1), dtype=np.float64)
    largest = float(difference.max())
    parts = _parts(frame, fed, a, b, difference.max(axis=-1))
    return _Sample(which, parts, largest if isfinite(largest) else None, squares, None, a.shape[:2])


def _parts(frame: Frame, fed: Array, before: Array, after: Array, apart: Array) -> tuple[_Part, ...]:
    """Copies of the part of each of _SIDES where the outputs differ most."""
    found = []
    for part in windows(apart, _SIDES, frame.scale):
        cut = part.of_input(fed, before.shape[:2], frame.scale)
        found.append(_Part(part, cut.copy(), part.of(before).copy(), part.of(after).copy()))
    return tuple(found)


def _values(bare: Pictures, samples: list[_Sample], seen: Range, number: int) -> Pictures:
    """Pictures of values, of the parts with this `number`."""
    shown = shades.range_of([each.parts[0].before for each in samples], seen)
    parts = [each.parts[number] for each in samples]
    apart = [shades.difference(part.before, part.after, shown) for part in parts]
    amplified = shades.amplification(apart)
    files = [
        (
            png.encode(shown.pixels(part.before)),
            png.encode(shown.pixels(part.after)),
            shades.difference_file(difference, amplified),
        )
        for part, difference in zip(parts, apart, strict=True)
    ]
    return msgspec.structs.replace(
        bare,
        samples=_pictures(samples, number, seen, files, shown),
        span=shown.span,
        low=float(shown.black.min()),
        high=float(shown.white.max()),
        amplification=amplified,
    )


def _classes(bare: Pictures, samples: list[_Sample], seen: Range, number: int) -> Pictures:
    """Pictures of classes, of the parts with this `number`."""
    parts = [each.parts[number] for each in samples]
    known = shades.frequent([part.before for part in parts])
    files = [
        (
            shades.class_file(part.before, known),
            shades.class_file(part.after, known),
            shades.changed_file(part.before != part.after),
        )
        for part in parts
    ]
    return msgspec.structs.replace(bare, samples=_pictures(samples, number, seen, files), classes=known)


def _pictures(
    samples: list[_Sample], number: int, seen: Range, files: list[_Files], shown: Range | None = None
) -> tuple[SamplePictures, ...]:
    """The parts with this `number`, with the files of their outputs, which show values by the range `shown`."""
    return tuple(
        SamplePictures(
            place=each.which.place,
            sample=each.which.sample,
            top=each.parts[number].window.top,
            left=each.parts[number].window.left,
            height=each.parts[number].window.height,
            width=each.parts[number].window.width,
            max_abs=each.max_abs,
            psnr_db=None if shown is None else _psnr(each, shown),
            changed=each.changed,
            input=png.encode(seen.pixels(each.parts[number].fed)),
            dense=dense,
            converted=converted,
            difference=difference,
        )
        for each, (dense, converted, difference) in zip(samples, files, strict=True)
    )


def _psnr(each: _Sample, shown: Range) -> float | None:
    """Of the whole output, with white - black as the peak; None where the two are equal or not finite."""
    if each.squares is None:
        return None
    error = float((each.squares / np.square(shown.white - shown.black)).mean())
    return -10 * log10(error) if isfinite(error) and error > 0 else None


def _size(found: Pictures) -> int:
    return sum(
        len(file) for each in found.samples for file in (each.input, each.dense, each.converted, each.difference)
    )

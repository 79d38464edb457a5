"""Pictures of outputs as the page shows them: worded, and checked, for they may come from a stranger's file."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from convprof import png
from convprof.errors import DataError
from convprof.records.pictures import Pictures, SamplePictures
from convprof.reporting import wording
from convprof.reporting.escaping import shortened

_MOST_SAMPLES = 8
_LARGEST_FILE = 1 << 18
_COLOURED = 8
_LONGEST = 60
_SPANS = {
    "preprocessing": "black and white are those of the preprocessing",
    "usual": "black and white are the ends of a usual range",
    "stretched": "they are stretched from their darkest to their brightest value",
}
_BY = {"values": "root mean square difference", "classes": "pixels of another class"}
_PLACES = {
    "worst": "Moved most: sample",
    "median": "The median: sample",
    "best": "Moved least: sample",
}


@dataclass(frozen=True)
class Panel:
    """One picture: what stands over it, what it is in words, its file as a data: address, and its size in pixels."""

    label: str
    alt: str
    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Exhibit:
    """One sample: which, its figures, and four panels."""

    title: str
    words: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Swatch:
    """A class and the number of its colour in the stylesheet."""

    colour: int
    label: str


@dataclass(frozen=True)
class Gallery:
    """All samples; `ends` are what the two ends of the colours of a difference stand for, empty for classes."""

    reading: str
    exhibits: tuple[Exhibit, ...]
    ends: tuple[str, ...]
    swatches: tuple[Swatch, ...]


def gallery(found: Pictures) -> Gallery:
    """The pictures for the page; raises DataError for what convprof does not write."""
    if len(found.samples) > _MOST_SAMPLES or len(found.classes) > _COLOURED:
        raise DataError("pictures", f"more than {_MOST_SAMPLES} samples or {_COLOURED} classes", "remove pictures.json")
    return Gallery(
        reading=_reading(found),
        exhibits=tuple(_exhibit(found, each) for each in found.samples),
        ends=_ends(found),
        swatches=_swatches(found),
    )


def _reading(found: Pictures) -> str:
    """What is shown, which samples, and how the colours came about."""
    words = [
        f"Output {shortened(found.output, _LONGEST)}, {found.width}x{found.height}, for the samples that moved most, "
        f"least and just between by {_BY[found.kind]}, of all that were compared.",
    ]
    if any((each.height, each.width) < (found.height, found.width) for each in found.samples):
        words.append("Of each the part is shown where dense and converted differ most; figures are of the whole.")
    if found.scale > 1:
        words.append(f"The input is {found.scale} times enlarged.")
    if found.kind == "classes":
        words.append(f"Each pixel has the colour of its likeliest class. Input: {_SPANS[found.input_span]}.")
        words.append("Difference: orange where the class is another one.")
        return " ".join(words)
    spans = dict.fromkeys((found.input_span, found.span or found.input_span))
    if len(spans) == 1:
        words.append(f"In input and outputs {_SPANS[found.input_span]}.")
    else:
        words += [f"Input: {_SPANS[found.input_span]}.", f"Outputs: {_SPANS[found.span or found.input_span]}."]
    if found.amplification is not None:
        words.append(
            f"Difference: converted {wording.MINUS} dense, {found.amplification:,} times amplified; white is none, "
            "blue is darker, orange brighter."
        )
    return " ".join(words)


def _exhibit(found: Pictures, each: SamplePictures) -> Exhibit:
    amplified = f" {wording.TIMES}{found.amplification:,}" if found.amplification else ""
    difference = "changed pixels" if found.kind == "classes" else f"difference{amplified}"
    named = (
        ("input", "input", each.input),
        ("dense", "output of the dense model", each.dense),
        ("converted", "output of the converted model", each.converted),
        (difference, difference, each.difference),
    )
    part = "" if (each.height, each.width) == (found.height, found.width) else f", part at {each.left}, {each.top}"
    return Exhibit(
        title=f"{_PLACES[each.place]} {each.sample:,}",
        words=_figures(found, each),
        panels=tuple(_panel(label, f"Sample {each.sample:,}{part}: {words}", file) for label, words, file in named),
    )


def _figures(found: Pictures, each: SamplePictures) -> str:
    if found.kind == "classes":
        return f"{wording.percent(each.changed, 2)} of its pixels have another class."
    equal = "no difference at all" if each.max_abs == 0 else f"PSNR {wording.decibels(each.psnr_db)}"
    return f"Largest difference {wording.significant(each.max_abs)}, {equal} between dense and converted."


def _panel(label: str, alt: str, file: bytes) -> Panel:
    try:
        if len(file) > _LARGEST_FILE:
            raise ValueError("it is larger than any that convprof writes")
        width, height = png.check(file)
    except ValueError as error:
        raise DataError("pictures", f"{label}: {error}", "remove pictures.json, or run optimize again") from error
    return Panel(label, alt, f"data:image/png;base64,{b64encode(file).decode()}", width, height)


def _ends(found: Pictures) -> tuple[str, ...]:
    if found.low is None or found.high is None or not found.amplification:
        return ()
    reach = wording.significant(abs(found.high - found.low) / found.amplification, 2)
    return (f"{wording.MINUS}{reach}", "0", f"+{reach}")


def _swatches(found: Pictures) -> tuple[Swatch, ...]:
    if found.kind == "values":
        return ()
    known = tuple(Swatch(place, f"class {number}") for place, number in enumerate(found.classes))
    return (*known, Swatch(_COLOURED, "any other")) if len(known) == _COLOURED else known

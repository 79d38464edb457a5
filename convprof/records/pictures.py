"""Outputs that can be looked at, before and after: the record in pictures.json (convprof.pictures/1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from convprof.records.fidelity import Place

Span = Literal["preprocessing", "usual", "stretched"]
"""Where black and white are: as the preprocessing has them, at 0..1, -1..1 or 0..255, or at the ends of the values."""


class SamplePictures(msgspec.Struct, frozen=True):
    """One sample: four PNG files of the same part of it, and figures of the whole.

    The part begins at `top`, `left` of the output and is `height` by `width` of its pixels; `input` shows the same part
    of the input. `max_abs` is the largest absolute difference in the output's own unit, `psnr_db` that of the
    converted output against the dense one with white - black as the peak (None where they are equal), `changed` the
    share of pixels that have another class. What has no meaning for the kind of output, or is not finite, is None.
    """

    place: Place
    sample: int
    top: int
    left: int
    height: int
    width: int
    max_abs: float | None
    psnr_db: float | None
    changed: float | None
    input: bytes
    dense: bytes
    converted: bytes
    difference: bytes


class Pictures(msgspec.Struct, frozen=True):
    """Input, dense output, converted output and their difference for a few samples of one output.

    `converted` is the sha256 of the converted model's file. The output is `height` by `width` pixels, `scale` times the
    input's but for a border. `values` are shown from black to white as `span` and `input_span` say, `low` and `high`
    being the ends for the output's darkest and brightest channel; `classes` by the colour that their place in `classes`
    gives them, the most frequent first, and all others in one colour. Differences are converted - dense, full colour
    standing for (high - low) / `amplification`.
    """

    schema: Literal["convprof.pictures/1"]
    converted: str
    input: str
    output: str
    kind: Literal["values", "classes"]
    height: int
    width: int
    scale: int
    input_span: Span
    samples: tuple[SamplePictures, ...]
    span: Span | None = None
    low: float | None = None
    high: float | None = None
    amplification: int | None = None
    classes: tuple[int, ...] = ()

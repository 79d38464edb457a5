"""Pictures of a small denoiser's output, and of classes."""

from __future__ import annotations

import msgspec
import numpy as np

from convprof import png
from convprof.picturing import shades
from convprof.records.fidelity import Place
from convprof.records.pictures import Pictures, SamplePictures

PLACES: tuple[tuple[Place, int], ...] = (("worst", 17), ("median", 4), ("best", 9))


def grey(seed: int) -> bytes:
    return png.encode(np.random.default_rng(seed).integers(0, 256, (24, 32), np.uint8))


def pictures() -> Pictures:
    return Pictures(
        schema="convprof.pictures/1",
        converted="3c" * 32,
        input="noisy",
        output="denoised",
        kind="values",
        height=96,
        width=128,
        scale=1,
        input_span="preprocessing",
        span="preprocessing",
        low=0.0,
        high=1.0,
        amplification=20,
        samples=tuple(
            SamplePictures(
                place,
                sample,
                *(8, 16, 24, 32),
                0.0455,
                41.3,
                None,
                *(grey(sample), grey(sample + 1), grey(sample + 2)),
                shades.difference_file(np.random.default_rng(sample).normal(0, 0.01, (24, 32)), 20),
            )
            for place, sample in PLACES
        ),
    )


def classes() -> Pictures:
    full = pictures()
    maps = np.random.default_rng(3).integers(0, 12, (24, 32))
    known = shades.frequent([maps])
    return msgspec.structs.replace(
        full,
        kind="classes",
        span=None,
        low=None,
        high=None,
        amplification=None,
        classes=known,
        samples=tuple(
            msgspec.structs.replace(
                each,
                max_abs=None,
                psnr_db=None,
                changed=0.0312,
                dense=shades.class_file(maps, known),
                converted=shades.class_file(maps, known),
                difference=shades.changed_file(maps > 9),
            )
            for each in full.samples
        ),
    )

"""Which outputs can be looked at, and which part of them is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convprof.frames import Window, find, windows

Shape = tuple[int, ...]


def found(fed: Shape, made: Shape, dtype: Any = np.float32) -> tuple[str, int, int | None, int] | None:
    frame = find({"x": np.zeros(fed, np.float32)}, {"y": np.zeros(made, dtype)})
    return None if frame is None else (frame.kind, frame.input_axis, frame.axis, frame.scale)


@pytest.mark.parametrize(
    ("fed", "made", "frame"),
    [
        ((2, 1, 32, 48), (2, 1, 32, 48), ("values", 1, 1, 1)),  # a denoiser
        ((2, 1, 32, 48), (2, 1, 96, 144), ("values", 1, 1, 3)),  # super-resolution
        ((2, 3, 142, 142), (2, 3, 128, 128), ("values", 1, 1, 1)),  # without padding
        ((2, 3, 64, 64), (2, 3, 100, 100), ("values", 1, 1, 2)),  # the same, twice as large
        ((2, 32, 48, 3), (2, 32, 48, 1), ("values", 3, 3, 1)),  # channels last
        ((2, 32, 48, 3), (2, 3, 32, 48), ("values", 3, 1, 1)),  # channels last on one side
        ((2, 4, 32, 48), (2, 3, 32, 48), ("values", 1, 1, 1)),  # a map of noise beside the colours
        ((2, 3, 32, 48), (2, 21, 32, 48), ("classes", 1, 1, 1)),
        ((2, 3, 32, 48), (2, 2, 32, 48), ("classes", 1, 1, 1)),
        ((2, 32, 48, 3), (2, 32, 48, 21), ("classes", 3, 3, 1)),
        ((2, 3, 32, 48), (2, 10), None),  # a classifier
        ((2, 3, 32, 48), (2, 255, 4, 6), None),  # boxes on a coarse grid
        ((2, 3, 32, 48), (2, 21, 16, 24), None),
        ((2, 3, 32, 48), (2, 3, 64, 48), None),
        ((2, 3, 4, 4), (2, 3, 4, 4), None),
        ((2, 10), (2, 3, 32, 48), None),  # made from nothing that can be shown
        ((2, 3, 32, 48), (2, 32, 48), None),
        ((2, 3, 0, 48), (2, 3, 32, 48), None),
    ],
)
def test_shapes_tell(fed: Shape, made: Shape, frame: tuple[str, int, int | None, int] | None) -> None:
    assert found(fed, made) == frame


def test_whole_numbers_are_classes() -> None:
    assert found((1, 3, 32, 48), (1, 32, 48), np.int64) == ("classes", 1, None, 1)
    assert found((1, 3, 32, 48), (1, 1, 32, 48), np.int32) == ("classes", 1, 1, 1)
    assert found((1, 3, 32, 48), (1, 3, 32, 48), np.uint8) == ("values", 1, 1, 1)
    assert found((1, 3, 32, 48), (1, 3, 32, 48), object) is None


def test_the_first_output_that_fits_is_taken() -> None:
    x = np.zeros((1, 3, 16, 16), np.float32)
    frame = find({"size": np.zeros(2, np.float32), "x": x}, {"logits": np.zeros((1, 5)), "second": x, "third": x})
    assert frame is not None
    assert (frame.input, frame.output) == ("x", "second")


def test_classes_are_the_largest_or_as_they_are() -> None:
    scores = np.random.default_rng(0).random((2, 5, 16, 16)).astype(np.float32)
    x = {"x": np.zeros((2, 3, 16, 16), np.float32)}
    for values in (scores, scores.argmax(axis=1), scores.argmax(axis=1, keepdims=True)):
        frame = find(x, {"y": values})
        assert frame is not None
        np.testing.assert_array_equal(frame.classes(values), scores.argmax(axis=1))


@given(st.integers(0, 39), st.integers(0, 29), st.integers(1, 4), st.integers(4, 50))
def test_the_window_holds_the_spot_and_begins_with_a_pixel_of_the_input(y: int, x: int, scale: int, side: int) -> None:
    difference = np.zeros((40, 30))
    difference[y, x] = -1.0
    (part,) = windows(difference, [side], scale)
    assert (part.height, part.width) == (min(side, 40), min(side, 30))
    assert part.top % scale == part.left % scale == 0
    assert 0 <= part.top <= 40 - part.height
    assert 0 <= part.left <= 30 - part.width
    inside = part.top <= y < part.top + part.height and part.left <= x < part.left + part.width
    assert inside or scale > 1  # steps of a pixel of the input may not reach the last rows


def test_what_is_not_finite_does_not_hide_the_rest() -> None:
    difference = np.zeros((64, 64))
    difference[40:44, 50:54] = 1.0
    difference[0, 0] = np.nan
    (part,) = windows(difference, [16], 1)
    assert part.of(np.square(np.nan_to_num(difference))).sum() == 16


@pytest.mark.parametrize(("scale", "border"), [(1, 0), (1, 7), (2, 14), (3, 0)])
def test_the_input_shows_the_same_place(scale: int, border: int) -> None:
    """An output that is the input enlarged and cut off at its borders is cut alike."""
    x = np.random.default_rng(0).random((40, 50))
    whole = x.repeat(scale, axis=0).repeat(scale, axis=1)
    y = whole[border : whole.shape[0] - border, border : whole.shape[1] - border]
    part = Window(2 * scale, 4 * scale, 12 * scale, 12 * scale)
    seen = part.of_input(x, (y.shape[0], y.shape[1]), scale)
    np.testing.assert_array_equal(seen.repeat(scale, axis=0).repeat(scale, axis=1), part.of(y))

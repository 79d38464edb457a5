"""Pixels to values: value = (pixel / scale - mean) / std, written as `imagenet,size=224` (see convprof.data)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from convprof.errors import UsageError

Layout = Literal["nchw", "nhwc"]
Order = Literal["rgb", "bgr"]


@dataclass(frozen=True)
class Preprocess:
    """How a network was fed: value = (pixel / scale - mean) / std.

    `size` is (height, width) for picture files; `mean` and `std` have one value or one a channel of the picture (red,
    green, blue); `layout` and `order` are the model's, a `layout` of None is guessed from the model's input shape.
    """

    size: tuple[int, int] | None = None
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Layout | None = None
    order: Order = "rgb"


PRESETS = {
    "unit": Preprocess(),
    "signed": Preprocess(mean=(0.5,), std=(0.5,)),
    "imagenet": Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "raw": Preprocess(scale=1.0),
}


def parse_preprocess(text: str) -> Preprocess:
    """Read a text such as `unit`, `imagenet,size=224` or `scale=1,mean=125.3:123.0:113.9,std=63`.

    Raises UsageError, which names the part that is wrong and lists the presets and keys there are.
    """
    first, *rest = (part.strip() for part in text.split(","))
    if first in PRESETS:
        return replace(PRESETS[first], **_values(rest))
    return replace(Preprocess(), **_values([first, *rest]))


def _values(parts: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in parts:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key in PRESETS and not equals:
            raise _refusal(f"the preset {key!r} does not come first")
        if key not in KEYS or not equals:
            raise _refusal(f"{part!r} is not a preset and not a key with a value")
        if key in values:
            raise _refusal(f"the key {key!r} is given twice")
        try:
            values[key] = KEYS[key](value)
        except ValueError as error:
            raise _refusal(f"{part!r}: {error}") from error
    return values


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", text)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (height and width):
        raise ValueError("not a size such as 224 or 480x640")
    return height, width


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not finite")
    return number


def _divisor(text: str) -> float:
    number = _number(text)
    if number == 0:
        raise ValueError("pixels are divided by it, so it cannot be 0")
    return number


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(_number(part) for part in text.split(":"))


def _divisors(text: str) -> tuple[float, ...]:
    return tuple(_divisor(part) for part in text.split(":"))


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"not {' or '.join(choices)}")
        return text

    return read


KEYS: dict[str, Callable[[str], object]] = {
    "size": _size,
    "scale": _divisor,
    "mean": _numbers,
    "std": _divisors,
    "layout": _one_of("nchw", "nhwc"),
    "order": _one_of("rgb", "bgr"),
}


def _refusal(why: str) -> UsageError:
    remedy = f"one of the presets {', '.join(PRESETS)} and then, with commas, {'=..., '.join(KEYS)}=..."
    return UsageError("--preprocess", why, remedy)

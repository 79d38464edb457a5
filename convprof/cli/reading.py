"""From the texts of options to shapes, sizes, shares, budgets and limits; UsageError for what people mistype."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from convprof.errors import UsageError

if TYPE_CHECKING:
    from convprof.records.gates import Limits
    from convprof.records.plan import Budget

_THOUSANDS: dict[str | None, int] = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def read_shapes(texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """From NAME:SIZES texts to shapes; a text without a name stands under "".

    The name ends at the last colon, for names may hold colons themselves. Raises UsageError for what is no shape.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition(":")
        shapes[name] = read_sizes(sizes, f"--input-shape {text!r}", "1,3,224,224 or 1x3x224x224")
    return shapes


def read_sizes(text: str, what: str, example: str) -> tuple[int, ...]:
    """Whole numbers above 0 separated by commas or x; raises UsageError for anything else."""
    parts = [part.strip() for part in text.replace("x", ",").split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 and int(part) > 0 for part in parts):
        raise UsageError(what, "sizes are whole numbers above 0, separated by commas or x", f"write {example}")
    return tuple(int(part) for part in parts)


def read_dims(texts: tuple[str, ...]) -> dict[str, int]:
    """From NAME=SIZE texts to sizes; raises UsageError for anything else."""
    dims: dict[str, int] = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        sizes = read_sizes(size, f"--dim {text!r}", "NAME=SIZE, as N=1")
        if not name or len(sizes) != 1:
            raise UsageError(f"--dim {text!r}", "it is a name and one size", "write NAME=SIZE, as N=1")
        dims[name] = sizes[0]
    return dims


def read_batches(texts: tuple[str, ...]) -> tuple[int, ...]:
    """Batch sizes from numbers separated by commas, each once; raises UsageError for anything else."""
    parts = [part for text in texts for part in text.split(",")]
    sizes = [read_sizes(part, f"--batch {part!r}", "--batch 1,8,32") for part in parts]
    if any(len(each) != 1 for each in sizes):
        raise UsageError("--batch", "a batch has one size", "write --batch 1,8,32")
    return tuple(dict.fromkeys(size for each in sizes for size in each))


def read_budget(
    latency: str | None, macs: float | None, params: float | None, max_drop: float | None, min_sqnr: float | None
) -> Budget:
    """From the options of a budget to the record; raises UsageError for a time that is none."""
    from convprof.records.plan import Budget

    share, milliseconds = (None, None) if latency is None else _read_latency(latency)
    return Budget(macs, params, share, milliseconds, max_drop, min_sqnr)


def _read_latency(text: str) -> tuple[float | None, float | None]:
    """A share, from 0.5 or 50%, or milliseconds, from 12ms or 0.1s; raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(%|ms|s)?", text.strip().lower(), re.ASCII)
    value, unit = (float(found[1]), found[2]) if found else (0.0, None)
    if unit in ("ms", "s") and value > 0:
        return None, value * (1000 if unit == "s" else 1)
    share = value / 100 if unit == "%" else value
    if not 0 < share <= 1:
        what = f"--target-latency {text!r}"
        raise UsageError(what, "it is a share of the model's time, or a time", "write 0.5, 50% or 12ms")
    return share, None


def read_limits(slowest: float | None, drop: float | None, params: str | None, macs: str | None) -> Limits:
    """From the options of the gates to the record; raises UsageError for a size that is none."""
    from convprof.records.gates import Limits

    return Limits(
        slowest, drop, *_read_size(params, "--fail-if-params-above"), *_read_size(macs, "--fail-if-macs-above")
    )


def _read_size(text: str | None, what: str) -> tuple[int | None, float | None]:
    """A number, from 120000, 1.2M or 3G, or a share, from 0.5 or 50%; raises UsageError for anything else."""
    if text is None:
        return None, None
    found = re.fullmatch(r"(\d{1,18}(?:\.\d{1,9})?) ?([%kmgt])?", text.strip().lower(), re.ASCII)
    value, unit = (float(found[1]), found[2]) if found else (0.0, None)
    share = value / 100 if unit == "%" else value
    if share > 0 and (unit == "%" or (unit is None and share <= 1)):
        return None, share
    count = value * _THOUSANDS.get(unit, 1)
    if count < 1 or (unit is None and count != int(count)):
        raise UsageError(f"{what} {text!r}", "it is a share of the original's, or a number", "write 0.5, 50% or 1.2M")
    return int(count), None


def read_names(text: str | None) -> tuple[str, ...] | None:
    """Names with commas between them; None for none given."""
    return None if text is None else tuple(text.split(","))


def read_seconds(text: str, what: str) -> float:
    """A time above 0 from 90s, 20m or 1.5h, in seconds; raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?(s|m|min|h)", text.strip().lower(), re.ASCII)
    seconds = float(found[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"{what} {text!r}", "it is no time above 0", "write 90s, 20m or 1.5h")
    return seconds


def read_share(text: str, what: str) -> float:
    """A share above 0, from 2% or 0.02; raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(%)?", text.strip(), re.ASCII)
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if share <= 0:
        raise UsageError(f"{what} {text!r}", "it is no share above 0", "write 2% or 0.02")
    return share


def read_bytes(text: str, what: str) -> int:
    """Bytes from a number and a unit, as 512MiB (of 1,024), 2GB (of 1,000) or 100B; raises UsageError for the rest."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(?:([kmgt])(i)?)?b", text.strip().lower(), re.ASCII)
    if found is None:
        raise UsageError(what, "it is a number and a unit", "write 512MiB, 4GiB or 2GB")
    number, unit, binary = found.groups()
    power = "kmgt".index(unit) + 1 if unit else 0
    return int(float(number) * (1024 if binary else 1000) ** power)

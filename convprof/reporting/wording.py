"""Numbers to words, the same in every medium; what is not known is a dash, never a zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor, isfinite, log10

from convprof.records.remarks import Remark

UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
ARROW = "\N{RIGHTWARDS ARROW}"
REFITTED = "kept dense, refitted"

CONVENTION = (
    "MACs are multiply-accumulates of one inference at the input shapes stated (FLOPs = 2 x MACs); "
    "convolutions, ConvTranspose, Gemm and MatMul are counted."
)

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


class Amount(str):
    """Words that remember the number they tell, so that a table can be sorted by it."""

    value: float


def amount(words: str, value: float) -> str:
    """`words`, and with them the number that they tell where it is finite."""
    if not isfinite(value):
        return words
    told = Amount(words)
    told.value = value
    return told


def significant(value: float | None, digits: int = 3) -> str:
    """`value` to so many significant digits, without an exponent between 0.00001 and the trillions."""
    if value is None:
        return UNKNOWN
    if not isfinite(value):
        return "not finite"
    if value == 0:
        return amount("0", value)
    if abs(value) < 1e-5:
        return amount(signed_minus(f"{value:.{digits - 1}e}"), value)
    # Rounding first: 0.9999 is 1.00 in three digits, not 1.000.
    rounded = float(f"{value:.{digits - 1}e}")
    return amount(fixed(rounded, max(0, digits - 1 - floor(log10(abs(rounded))))), value)


def round_number(value: float) -> str:
    """A round number, as on an axis: no zeros at its end."""
    return _stripped(significant(value))


def round_quantity(value: float) -> str:
    """A round count, as on an axis."""
    number, space, prefix = quantity(value).partition(" ")
    return f"{_stripped(number)}{space}{prefix}"


def _stripped(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def fixed(value: float, decimals: int) -> str:
    """`value` with so many decimals and commas between thousands."""
    if not isfinite(value):
        return "not finite"
    # z: what rounds to nothing has no sign.
    return amount(signed_minus(f"{value:z,.{decimals}f}"), value)


def signed_minus(text: str) -> str:
    """Digits with a true minus sign."""
    return text.replace("-", MINUS)


def quantity(value: float | None) -> str:
    """A count in three digits with k, M, G or T."""
    if value is None:
        return UNKNOWN
    for size, prefix in _PREFIXES:
        if abs(value) >= size * 0.9995:
            return amount(f"{significant(value / size)} {prefix}", value)
    return fixed(value, 0)


def count(value: int | None) -> str:
    """A count in full."""
    return UNKNOWN if value is None else amount(signed_minus(f"{value:,}"), value)


def percent(share: float | None, decimals: int = 1) -> str:
    """A share as a percentage."""
    return UNKNOWN if share is None else amount(f"{fixed(100 * share, decimals)} %", share)


def change(before: float | None, after: float | None) -> str:
    """How much `after` differs from `before`, as a signed percentage."""
    if before is None or after is None or before == 0:
        return UNKNOWN
    share = after / before - 1
    return amount(f"{'+' if share > 0 else ''}{percent(share)}", share)


def plus(value: float, decimals: int) -> str:
    """A difference with its sign."""
    return amount(f"{'+' if value > 0 else ''}{fixed(value, decimals)}", value)


def ratio(value: float | None, decimals: int = 2) -> str:
    """A factor, as in 1.84x."""
    return UNKNOWN if value is None else amount(f"{fixed(value, decimals)}{TIMES}", value)


def decibels(value: float | None) -> str:
    """A ratio in dB."""
    return UNKNOWN if value is None else amount(f"{fixed(value, 1)} dB", value)


def milliseconds(value: float | None) -> str:
    """A time in ms."""
    return UNKNOWN if value is None else amount(f"{significant(value)} ms", value)


def mebibytes(value: int | None) -> str:
    """Memory in MiB."""
    return UNKNOWN if value is None else amount(f"{significant(value / (1 << 20))} MiB", value)


def seconds(value: float) -> str:
    """A duration that people wait for."""
    if value < 60:
        return amount(f"{significant(value, 2)} s", value)
    minutes, rest = divmod(round(value), 60)
    return amount(f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min", value)


def shape(sizes: Sequence[int | None] | None) -> str:
    """A shape as in 1x64x56x56; an unknown size is a question mark."""
    if sizes is None:
        return UNKNOWN
    return "x".join("?" if each is None else str(each) for each in sizes) or "scalar"


def rank(value: Sequence[int] | None) -> str:
    """A rank as in 2 or 16x16."""
    return UNKNOWN if value is None else "x".join(str(each) for each in value)


def interval(low: str, high: str, level: float | None = None) -> str:
    """The two ends, worded by the caller, and the level where it is known."""
    named = "interval" if level is None else f"{100 * level:g} % interval"
    return f"{named} {low} to {high}"


def metric_decimals(before: float, after: float) -> int:
    """Decimals that show four digits of a metric, whatever its scale."""
    scale = max((abs(value) for value in (before, after) if isfinite(value)), default=0.0)
    return 2 if scale == 0 else min(12, max(0, 3 - floor(log10(scale))))


def yes_no(value: bool) -> str:
    """A truth value in a word."""
    return "yes" if value else "no"


def counted(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def left_out(layers: int, what: str) -> str:
    """What a chart says of the layers it does not show, because they are not known, or not measured; '' for none."""
    return f"Not {what} for {counted(layers, 'layer')}, left out here." if layers else ""


def remarks(*parts: Iterable[Remark]) -> tuple[str, ...]:
    """Notices and cautions of all parts with their codes, each once."""
    return tuple(dict.fromkeys(f"{each.code}: {each.text}" for part in parts for each in part))

"""Kernel energy kept at each rank against random kernels: a table of small gauges, one table a form."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.records.analysis import Analysis, ConvReport, FormOption
from convprof.reporting import wording

_COLUMNS = 6


@dataclass(frozen=True)
class Gauge:
    """One option: how much it keeps, what random kernels would keep (both in percent), and what it costs."""

    rank: str
    kept: float
    random: float | None
    words: str
    cost: str


@dataclass(frozen=True)
class EnergyRow:
    """One conv; a shorter list of options leaves cells empty (None)."""

    name: str
    gauges: tuple[Gauge | None, ...]


@dataclass(frozen=True)
class EnergyTable:
    """One form."""

    form: str
    columns: int
    rows: tuple[EnergyRow, ...]


def energies(analysis: Analysis) -> tuple[EnergyTable, ...]:
    """A table for each form that has an energy somewhere, in the order in which forms are offered."""
    forms = dict.fromkeys(option.form for conv in analysis.convs for option in conv.forms if option.energy is not None)
    return tuple(_table(analysis, form) for form in forms)


def _table(analysis: Analysis, form: str) -> EnergyTable:
    found = [(conv, _options(conv, form)) for conv in analysis.convs]
    found = [(conv, options) for conv, options in found if options]
    columns = max(len(options) for _, options in found)
    return EnergyTable(
        form,
        columns,
        tuple(
            EnergyRow(conv.name, _filled([_gauge(conv, each) for each in options], columns)) for conv, options in found
        ),
    )


def _filled(gauges: list[Gauge], columns: int) -> tuple[Gauge | None, ...]:
    return (*gauges, *[None] * (columns - len(gauges)))


def _options(conv: ConvReport, form: str) -> list[FormOption]:
    """The options of a form, thinned evenly to what fits beside each other; first and last always stay."""
    options = [each for each in conv.forms if each.form == form and each.energy is not None]
    if len(options) <= _COLUMNS:
        return options
    return [options[round(at * (len(options) - 1) / (_COLUMNS - 1))] for at in range(_COLUMNS)]


def _gauge(conv: ConvReport, option: FormOption) -> Gauge:
    kept = _percentage(option.energy or 0.0)
    random = None if option.energy_random is None else _percentage(option.energy_random)
    beside = "" if random is None else f", random kernels {wording.fixed(random, 0)} %"
    cost = wording.percent(option.macs / conv.macs, 0) if conv.macs else wording.UNKNOWN
    rank = wording.rank(option.rank)
    words = f"rank {rank}: keeps {wording.fixed(kept, 1)} %{beside}; {cost} of the MACs"
    return Gauge(rank, kept, random, words, cost)


def _percentage(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 2)

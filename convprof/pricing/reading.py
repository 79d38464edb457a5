"""Reads prices back: a table that was kept, or what probe.py wrote on another machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import isfinite
from pathlib import Path

import msgspec

from convprof.errors import DataError
from convprof.files import read_record
from convprof.graph import Model, find_convs
from convprof.pricing.tables import table
from convprof.pricing.variants import variants
from convprof.records.analysis import ConvReport
from convprof.records.prices import LatencyTable
from convprof.records.probes import ProbeTimes
from convprof.runtime import RunOptions, environment


class _Header(msgspec.Struct):
    schema: str = ""


def read(path: Path, model: Model) -> LatencyTable:
    """The prices of `model` in the file at `path`.

    Raises DataError for a file that cannot be read or is damaged, and for the prices of another model or of other
    shapes.
    """
    if read_record(path, _Header).schema == "convprof.probe-times/1":
        found = read_record(path, ProbeTimes)
        _check_times(found, str(path))
        prices = table(found)
    else:
        prices = read_record(path, LatencyTable)
        _check_table(prices, str(path))
    _check_model(prices, model, str(path))
    return prices


def fits(
    prices: LatencyTable, model: Model, convs: Sequence[ConvReport], forms: Collection[str], options: RunOptions
) -> bool:
    """Whether these prices of `model` are of this machine and hold every candidate of `convs` among `forms`."""
    if prices.environment != environment(options):
        return False
    names = {conv.name for conv in convs}
    wanted = variants([conv for conv in find_convs(model) if conv.name in names], forms)
    priced = {(each.name, each.form, each.rank, each.emission) for each in prices.candidates}
    return all(
        (each.name, each.form, each.rank, each.emission) in priced for variant in wanted for each in variant.layers
    )


def _check_model(prices: LatencyTable, model: Model, what: str) -> None:
    """Prices hold for one file at one set of shapes."""
    if prices.model.sha256 != model.file.sha256:
        raise DataError(what, f"it holds the prices of another file, {prices.model.path}", "price this model")
    if prices.inputs != model.inputs:
        raise DataError(what, "it holds the prices of the model at other input shapes", "price it at these shapes")


def _check_times(found: ProbeTimes, what: str) -> None:
    """What types cannot say: every model was timed in every round, and times are numbers above 0."""
    models, times = found.probes.models, found.times
    if not models or [model.label for model in models] != [visits.label for visits in times]:
        raise DataError(what, "damaged: its times are not those of its models", "run probe.py again")
    if models[0].layers:
        raise DataError(what, "damaged: its first model is not the model as it is", "run probe.py again")
    rounds = len(times[0].end_to_end)
    lists = [*(visits.end_to_end for visits in times), *(node.ms for visits in times for node in visits.nodes)]
    if rounds < 1 or any(len(numbers) != rounds for numbers in lists):
        raise DataError(what, "damaged: not every model was timed in every round", "run probe.py again")
    ends = [number for visits in times for number in visits.end_to_end]
    if not all(isfinite(number) and number >= 0 for numbers in lists for number in numbers) or min(ends) <= 0:
        raise DataError(what, "damaged: a time is not a number above 0", "run probe.py again")


def _check_table(prices: LatencyTable, what: str) -> None:
    """Refuse a table without a model, and times that are no numbers or below 0."""
    timings = [layer.time for layer in prices.layers]
    timings += [candidate.time for candidate in prices.candidates]
    timings += [probe.end_to_end for probe in prices.probes]
    numbers = [number for timing in timings for number in (timing.ms, timing.iqr)]
    sound = isfinite(prices.node_overhead) and all(isfinite(number) and number >= 0 for number in numbers)
    if not prices.probes or not sound:
        raise DataError(what, "damaged: a time is missing or below 0", "price the model again")

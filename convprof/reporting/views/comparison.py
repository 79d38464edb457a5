"""Two runs side by side: whether their times compare, the figures, then the layers that were decided differently."""

from __future__ import annotations

from convprof.records.comparison import Decision, LayerDifference, RunComparison, RunFigures, Speedups
from convprof.records.fidelity import MetricChange
from convprof.reporting import wording
from convprof.reporting.document import Cell, Column, Document, Fact, Sheet, Table, filled, folded
from convprof.reporting.escaping import visible
from convprof.reporting.outcome import metric_words
from convprof.reporting.views import gates as gates_view

_SPEEDUPS: dict[Speedups, str] = {
    "first-higher": "The first run's speed-up is higher",
    "second-higher": "The second run's speed-up is higher",
    "overlap": "The intervals of the speed-ups overlap: no difference is shown",
}


def document(found: RunComparison) -> Document:
    """What forbids to compare times comes first."""
    return Document(
        title=f"{visible(found.first.path)} {wording.ARROW} {visible(found.second.path)}",
        lead=_lead(found),
        facts=_commands(found),
        tables=filled(
            (
                gates_view.table(found.gates),
                _environment(found),
                _figures(found),
                _layers(found),
                _refusals(found),
                folded(_stages(found)),
            )
        ),
        notes=(
            wording.CONVENTION,
            *(() if found.layers else ("The plans are the same.",)),
            *wording.remarks(found.notices),
        ),
    )


def sheet(found: RunComparison) -> Sheet:
    """One row a difference or figure; `kind` tells what it is of, plans and refusals are told in words."""
    rows: list[tuple[Cell, ...]] = [
        *(("environment", each.name, each.first, each.second) for each in found.environment),
        *(("figure", name, one, two) for name, one, two in _raw(found)),
        *(("layer", each.name, _decided(each.first), _decided(each.second)) for each in found.layers),
        *(("refusal", each.name, _decided(each.first), _decided(each.second)) for each in found.refusals),
        *(("stage", each.name, each.first, each.second) for each in found.stages),
    ]
    return Sheet(("kind", "name", "first", "second"), tuple(rows))


def _lead(found: RunComparison) -> str:
    verdicts = [_verdict(each) for each in (found.first, found.second)]
    verdict = f"{verdicts[0]} {wording.ARROW} {verdicts[1]}" if verdicts[0] != verdicts[1] else f"Both {verdicts[0]}"
    if not found.times_comparable:
        differing = ", ".join(each.name for each in found.environment)
        return f"Measured differently ({differing}): neither times nor speed-ups compare. {_capital(verdict)}."
    return f"{_capital(verdict)}. {_SPEEDUPS[found.speedups]}."


def _commands(found: RunComparison) -> tuple[Fact, ...]:
    """What was asked for, where that is not the same."""
    if found.first.command == found.second.command:
        return ()
    return (
        Fact("First", found.first.command, verbatim=True),
        Fact("Second", found.second.command, verbatim=True),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verdict(run: RunFigures) -> str:
    if run.worth_it:
        return "worth it"
    return "not worth it" if run.samples is not None else "not judged"


def _environment(found: RunComparison) -> Table:
    return Table(
        "Measured on",
        (Column("what differs", "text"), Column("first", "text"), Column("second", "text")),
        tuple((each.name, each.first, each.second) for each in found.environment),
    )


def _figures(found: RunComparison) -> Table:
    first, second = found.first, found.second
    rows = (
        ("verdict", _verdict(first), _verdict(second), ""),
        ("speed-up", _speed(first), _speed(second), _speed_change(found)),
        *_medians(found),
        _metric(first, second),
        _counts("MACs", first.macs, second.macs),
        _counts("parameters", first.parameters, second.parameters),
        ("convs replaced", wording.count(first.replaced), wording.count(second.replaced), ""),
        ("time of the run", wording.seconds(first.seconds), wording.seconds(second.seconds), ""),
    )
    return Table("Converted models", (Column("", "text"), Column("first"), Column("second"), Column("change")), rows)


def _speed(run: RunFigures) -> str:
    low, high = run.interval
    return f"{wording.ratio(run.speedup)} ({wording.ratio(low)} to {wording.ratio(high)})"


def _speed_change(found: RunComparison) -> str:
    if not found.times_comparable:
        return "not comparable"
    return "overlap" if found.speedups == "overlap" else wording.change(found.first.speedup, found.second.speedup)


def _medians(found: RunComparison) -> tuple[tuple[str, ...], ...]:
    """The medians of each run, dense and converted."""
    pairs = [run.times_ms or (None, None) for run in (found.first, found.second)]
    rows = []
    for at, name in enumerate(("median, dense", "median, converted")):
        one, two = pairs[0][at], pairs[1][at]
        change = wording.change(one, two) if found.times_comparable else "not comparable"
        rows.append((name, wording.milliseconds(one), wording.milliseconds(two), change))
    return tuple(rows)


def _metric(first: RunFigures, second: RunFigures) -> tuple[str, ...]:
    """Each run's metric after its conversion; a change only where it is one and the same metric."""
    one, two = first.metric, second.metric
    if one is None or two is None or one.name != two.name:
        return ("metric", _score(one, named=True), _score(two, named=True), wording.UNKNOWN)
    step = MetricChange(one.name, one.after, two.after, two.after - one.after, None)
    return (one.name, _score(one), _score(two), metric_words(step).difference)


def _score(metric: MetricChange | None, *, named: bool = False) -> str:
    """The converted model's score, and in brackets what the conversion did to it."""
    if metric is None:
        return wording.UNKNOWN
    words = metric_words(metric)
    return f"{f'{metric.name} ' if named else ''}{words.after} ({words.difference})"


def _counts(name: str, one: int, two: int) -> tuple[str, ...]:
    return (name, wording.quantity(one), wording.quantity(two), wording.change(one, two))


def _layers(found: RunComparison) -> Table:
    return Table(
        f"Plans: {wording.counted(len(found.layers), 'conv')} decided differently",
        (Column("name", "name"), Column("first", "text"), Column("second", "text")),
        tuple(_differing(each) for each in found.layers),
    )


def _refusals(found: RunComparison) -> Table:
    return Table(
        "Kept in both, for another reason",
        (Column("name", "name"), Column("first", "text"), Column("second", "text")),
        tuple(_differing(each) for each in found.refusals),
    )


def _differing(each: LayerDifference) -> tuple[str, ...]:
    return (each.name, _decided(each.first) or "no such conv", _decided(each.second) or "no such conv")


def _decided(decision: Decision | None) -> str | None:
    """What became of a conv in a few words; None where the model has none of that name."""
    if decision is None:
        return None
    layer = decision.planned
    if layer is None:
        return f"kept: {decision.reason.code}" if decision.reason else "kept, no reason given"
    return wording.REFITTED if layer.stays_dense else f"{layer.form} r{wording.rank(layer.rank)}, {layer.emission}"


def _stages(found: RunComparison) -> Table:
    return Table(
        "Stages",
        (Column("stage", "text"), Column("first"), Column("second"), Column("change")),
        tuple(
            (each.name, _duration(each.first), _duration(each.second), wording.change(each.first, each.second))
            for each in found.stages
        ),
    )


def _duration(seconds: float | None) -> str:
    return wording.UNKNOWN if seconds is None else wording.seconds(seconds)


def _raw(found: RunComparison) -> tuple[tuple[str, Cell, Cell], ...]:
    """The figures as they are, by the names of their fields."""
    return tuple(
        (name, one, two) for (name, one), (_, two) in zip(_flat(found.first), _flat(found.second), strict=True)
    )


def _flat(run: RunFigures) -> tuple[tuple[str, Cell], ...]:
    low, high = run.interval
    dense_ms, converted_ms = run.times_ms or (None, None)
    return (
        ("path", run.path),
        ("worth_it", run.worth_it),
        ("speedup", run.speedup),
        ("speedup_low", low),
        ("speedup_high", high),
        ("dense_ms", dense_ms),
        ("converted_ms", converted_ms),
        ("samples", run.samples),
        ("metric", run.metric.name if run.metric else None),
        ("metric_before", run.metric.before if run.metric else None),
        ("metric_after", run.metric.after if run.metric else None),
        ("macs", run.macs),
        ("parameters", run.parameters),
        ("replaced", run.replaced),
        ("seconds", run.seconds),
    )

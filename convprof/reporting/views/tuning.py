"""A training run as tables, and as one row a point of its curve."""

from __future__ import annotations

from collections.abc import Iterable

from convprof.drops import SHARES
from convprof.records.tuning import TunedStage, Tuning, Way, WayTime
from convprof.reporting import wording
from convprof.reporting.document import Column, Document, Fact, Sheet, Table, filled


def document(tuning: Tuning) -> Document:
    """What was trained on what, the methods with their gain, the ways to run that were tried."""
    settings = tuning.settings
    augment = ", ".join(settings.augment or ()) or "none"
    return Document(
        title=f"Training of {tuning.student.path}",
        facts=(
            Fact("Teacher", _teacher(tuning)),
            Fact("Data", tuning.data if tuning.labels is None else f"{tuning.data}, labels {tuning.labels}"),
            Fact("Augmentation", augment),
            Fact("Trained", "all weights" if settings.train == "all" else "the factors"),
            Fact("Run", _run(tuning)),
        ),
        tables=filled((_stages(tuning.stages), _times(tuning.times))),
        notes=wording.remarks(tuning.notices),
    )


def sheet(tuning: Tuning) -> Sheet:
    """One row for each look at the held-out part; the first one of a stage is its start."""
    columns = ("stage", "method", "measure", "steps", "minutes", "loss", "value")
    rows = (
        (number, stage.method, stage.measure, point.steps, point.minutes, point.loss, point.measure)
        for number, stage in enumerate(tuning.stages)
        for point in stage.curve
    )
    return Sheet(columns, tuple(rows))


def _teacher(tuning: Tuning) -> str:
    if tuning.teacher is None:
        return "none"
    views = max((stage.views for stage in tuning.stages), default=1)
    return tuning.teacher.path if views == 1 else f"{tuning.teacher.path}, mean over {views} views of each input"


def _run(tuning: Tuning) -> str:
    settings = tuning.settings
    threads = wording.counted(settings.threads or 1, "thread")
    where = threads if tuning.device == "cpu" else tuning.device
    if tuning.processes > 1:
        where = f"{tuning.processes} processes, each {where}"
    how = f", {_way(tuning.times[0].way)}" if tuning.times else ""
    return f"{where}{how}, seed {settings.seed}"


def _stages(stages: Iterable[TunedStage]) -> Table:
    return Table(
        "Methods",
        (
            Column("method", "text"),
            Column("samples"),
            Column("steps"),
            Column("epochs"),
            Column("time"),
            Column("held out"),
            Column("measure", "text"),
            Column("before"),
            Column("after"),
        ),
        tuple(_stage(stage) for stage in stages),
    )


def _stage(stage: TunedStage) -> tuple[str, ...]:
    share = stage.measure in SHARES
    before, after = (
        wording.percent(each, 2) if share else wording.significant(each, 4) for each in (stage.before, stage.after)
    )
    return (
        stage.method,
        wording.count(stage.samples),
        wording.count(stage.steps),
        wording.fixed(stage.epochs, 1),
        wording.seconds(stage.minutes * 60),
        wording.count(stage.held_out),
        f"{stage.measure} ({stage.better} is better)",
        before,
        after,
    )


def _times(times: Iterable[WayTime]) -> Table:
    return Table(
        "A step of training, tried in every way",
        (Column("way", "text"), Column("time")),
        tuple((_way(each.way), wording.milliseconds(1000 * each.seconds)) for each in times),
        folded=True,
    )


def _way(way: Way) -> str:
    chain = "composed" if way.composed else "as it is written"
    order = "channels last" if way.channels_last else "channels first"
    return f"{chain}, {way.precision}, {order}{', compiled' * way.compiled}"

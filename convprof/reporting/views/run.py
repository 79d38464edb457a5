"""A run as a document that a pull request can carry, and as one row a layer."""

from __future__ import annotations

from collections import Counter

from convprof.records.factors import Recipe
from convprof.records.run import FittedLayer, Run, Stage
from convprof.reporting import scores, wording
from convprof.reporting.document import Column, Document, Fact, Sheet, Table, filled, folded
from convprof.reporting.escaping import visible
from convprof.reporting.expectation import origin
from convprof.reporting.layers import Layer, layers
from convprof.reporting.outcome import figures, judgement, metric_words
from convprof.reporting.views import benchmark as benchmark_view
from convprof.reporting.views import fidelity as fidelity_view
from convprof.reporting.views import gates as gates_view
from convprof.reporting.views import plan as plan_view
from convprof.reporting.views import planning as planning_view
from convprof.reporting.views import rival as rival_view


def document(run: Run) -> Document:
    """The verdict, before and after, and the rest folded away."""
    fidelity = (fidelity_view.outputs(run.fidelity), fidelity_view.samples(run.fidelity)) if run.fidelity else ()
    return Document(
        title=f"convprof: {visible(run.analysis.model.path)}",
        lead=f"{judgement(run)}. {run.verdict.text}",
        tables=filled(
            (
                gates_view.table(run.gates),
                _before_after(run),
                scores.table(run.scores),
                rival_view.table(run),
                folded(layer_table(run)),
                *(folded(table) for table in fidelity),
                *_rivals(run),
                folded(benchmark_view.models(run.benchmark)),
                folded(stages(run.stages)),
            )
        ),
        facts=(
            *_found(run),
            *fitted(run.fits),
            Fact("Reproduce", run.command, verbatim=True),
            Fact("Measured on", run.benchmark.environment.cpu),
        ),
        notes=(wording.CONVENTION, *remarks(run)),
    )


def sheet(run: Run) -> Sheet:
    """One row a layer; empty where a thing was not measured."""
    return Sheet(
        (
            "name",
            "form",
            "rank",
            "emission",
            "macs_before",
            "macs_after",
            "parameters_before",
            "parameters_after",
            "latency_before_ms",
            "latency_after_ms",
            "error",
            "error_weights",
            "model_error",
            "reason_kept",
        ),
        tuple(
            (
                each.name,
                each.form,
                None if each.rank is None else wording.rank(each.rank),
                each.emission,
                each.macs_before,
                each.macs_after,
                each.parameters_before,
                each.parameters_after,
                each.latency_before_ms,
                each.latency_after_ms,
                each.error,
                each.error_weights,
                each.model_error,
                each.reason.code if each.reason else None,
            )
            for each in layers(run)
        ),
    )


def layer_table(run: Run) -> Table:
    """Every conv: what became of it, what that saves and what it costs."""
    found = layers(run)
    refitted = sum(each.refitted for each in found)
    others = f", {refitted} {wording.REFITTED}" if refitted else ""
    return Table(
        f"Layers: {sum(each.replaced for each in found)} of {len(found)} replaced{others}",
        (
            Column("name", "name"),
            Column("became", "text"),
            Column("MACs"),
            Column("after"),
            Column("change"),
            Column("parameters"),
            Column("after"),
            Column("latency"),
            Column("after"),
            Column("output error"),
            Column("model error"),
        ),
        tuple(_layer(each) for each in found),
    )


def planned(run: Run) -> tuple[Fact, ...]:
    """What the plan was asked to meet, what was expected of it, and how it was found."""
    if run.planning is None:
        return plan_view.facts(run.plan)
    return planning_view.facts(run.planning, run.fidelity)


def fitted(fits: tuple[FittedLayer, ...]) -> tuple[Fact, ...]:
    """How the layers were fitted, the most frequent way first; nothing where none was."""
    ways = Counter(_way(each.recipe) for each in fits)
    if not ways:
        return ()
    return (Fact("Fitted", "; ".join(f"{way}: {wording.counted(count, 'conv')}" for way, count in ways.most_common())),)


def stages(taken: tuple[Stage, ...]) -> Table:
    """Where the time of the run went."""
    return Table(
        "Stages",
        (Column("stage", "text"), Column("time"), Column("samples")),
        tuple((each.name, wording.seconds(each.seconds), wording.count(each.samples)) for each in taken),
    )


def remarks(run: Run) -> tuple[str, ...]:
    """Cautions and notices of all parts, each once."""
    parts = (run.notices, run.benchmark.cautions, run.fidelity.notices if run.fidelity else (), run.analysis.notices)
    return wording.remarks(*parts)


def _found(run: Run) -> tuple[Fact, ...]:
    """How the plan was found, in a line."""
    return (Fact("Plan found", origin(run.planning)),) if run.planning else ()


def _rivals(run: Run) -> tuple[Table, ...]:
    """What the plan was chosen from."""
    found = run.planning
    if found is None:
        return ()
    return (
        folded(planning_view.front(found, run.fidelity)),
        folded(planning_view.rounds(found, run.fidelity)),
        planning_view.checks(found.prices),
    )


def _way(recipe: Recipe) -> str:
    """How a layer was fitted, in words."""
    if recipe.ridge is None:
        return "to the weights alone"
    words = [f"ridge {recipe.ridge:g}"]
    if recipe.teacher_share:
        words.append(f"{wording.percent(recipe.teacher_share, 0)} of the moments from the original's inputs")
    if recipe.activated:
        words.append("behind the activation")
    return ", ".join(words)


def _layer(each: Layer) -> tuple[str, ...]:
    return (
        each.name,
        _became(each),
        wording.quantity(each.macs_before),
        wording.quantity(each.macs_after),
        wording.change(each.macs_before, each.macs_after),
        wording.quantity(each.parameters_before),
        wording.quantity(each.parameters_after),
        wording.milliseconds(each.latency_before_ms),
        wording.milliseconds(each.latency_after_ms),
        wording.significant(each.error),
        wording.significant(each.model_error),
    )


def _became(each: Layer) -> str:
    """Form, rank and emission in a few words, or in what way and why the layer stays."""
    if each.refitted:
        return wording.REFITTED
    if each.replaced:
        return f"{each.form} r{wording.rank(each.rank)}, {each.emission}"
    return f"kept: {each.reason.code}" if each.reason else "kept, no reason given"


def _before_after(run: Run) -> Table:
    before, after = run.compared()
    times = [wording.milliseconds(each.median_ms if each else None) for each in (before, after)]
    speed, quality, *_ = figures(run)
    dense, light = run.analysis.totals, run.analysis_after.totals
    return Table(
        "",
        (Column("", "text"), Column("before"), Column("after"), Column("change", "text")),
        (
            ("median latency", *times, f"{speed.value} {speed.meaning}, {speed.details[0]}"),
            _quality_row(run, f"{quality.value} {quality.meaning}"),
            (
                "MACs",
                wording.quantity(dense.macs),
                wording.quantity(light.macs),
                wording.change(dense.macs, light.macs),
            ),
            (
                "parameters",
                wording.quantity(dense.parameters),
                wording.quantity(light.parameters),
                wording.change(dense.parameters, light.parameters),
            ),
        ),
    )


def _quality_row(run: Run, otherwise: str) -> tuple[str, ...]:
    """The metric before and after, or what is known instead."""
    metric = run.fidelity.metric if run.fidelity else None
    if metric is None or run.fidelity is None:
        return ("quality", wording.UNKNOWN, wording.UNKNOWN, otherwise)
    words = metric_words(metric)
    change = f"{words.difference}, {words.interval}, n = {run.fidelity.samples:,}"
    return (metric.name, words.before, words.after, change)

"""Run, Run -> RunComparison: what changed from one run to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isclose

from convprof._version import __version__
from convprof.errors import DataError
from convprof.records.benchmark import Environment
from convprof.records.comparison import (
    Decision,
    Difference,
    LayerDifference,
    RunComparison,
    RunFigures,
    Speedups,
    StagePair,
)
from convprof.records.remarks import Remark
from convprof.records.run import Run

# numpy, Python and our own version took part in the fit; the times are those of the runtime on its machine.
_TIMING = (
    *("cpu", "cores", "threads", "providers", "onnxruntime", "os"),
    *("inter_op_threads", "graph_optimization", "session_options"),
)


def compare(first: Run, second: Run, paths: tuple[str, str]) -> RunComparison:
    """What differs between two runs that were read from `paths`.

    Raises DataError where they are of different models without a conv of the same name: nothing could be compared.
    """
    before, after = _decisions(first), _decisions(second)
    if not _same_model(first, second) and not before.keys() & after.keys():
        why = f"it is of another model than {paths[0]}, and no convolution has the same name in both"
        raise DataError(paths[1], why, "compare two runs of one model")
    environment = _environment(first.benchmark.environment, second.benchmark.environment)
    return RunComparison(
        schema="convprof.comparison/1",
        convprof=__version__,
        first=_figures(first, paths[0]),
        second=_figures(second, paths[1]),
        environment=environment,
        times_comparable=not any(each.name in _TIMING for each in environment),
        speedups=_speedups(first.verdict.interval, second.verdict.interval),
        layers=_differing(before, after, lambda one, two: _planned(one) != _planned(two)),
        refusals=_differing(before, after, _refused_otherwise),
        stages=_stages(first, second),
        notices=tuple(_notices(first, second)),
    )


def _same_model(first: Run, second: Run) -> bool:
    return first.analysis.model.sha256 == second.analysis.model.sha256


def _figures(run: Run, path: str) -> RunFigures:
    before, after = run.compared()
    judged = run.judged()
    return RunFigures(
        path=path,
        convprof=run.convprof,
        command=run.command,
        model_sha256=run.analysis.model.sha256,
        worth_it=run.verdict.worth_it,
        speedup=run.verdict.speedup,
        interval=run.verdict.interval,
        level=judged.level if judged else None,
        times_ms=(before.median_ms, after.median_ms) if before and after else None,
        samples=run.fidelity.samples if run.fidelity else None,
        metric=run.fidelity.metric if run.fidelity else None,
        macs=run.analysis_after.totals.macs,
        parameters=run.analysis_after.totals.parameters,
        replaced=sum(not layer.stays_dense for layer in run.plan.layers),
        seconds=sum(stage.seconds for stage in run.stages),
    )


def _environment(first: Environment, second: Environment) -> tuple[Difference, ...]:
    pairs = ((name, getattr(first, name), getattr(second, name)) for name in Environment.__struct_fields__)
    return tuple(Difference(name, _words(one), _words(two)) for name, one, two in pairs if one != two)


def _words(value: object) -> str:
    if isinstance(value, dict):
        value = tuple(f"{key}={each}" for key, each in value.items())
    return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def _speedups(first: tuple[float, float], second: tuple[float, float]) -> Speedups:
    if first[0] > second[1]:
        return "first-higher"
    return "second-higher" if second[0] > first[1] else "overlap"


def _decisions(run: Run) -> dict[str, Decision]:
    """Every conv that the run names, in the model's order; the planner's reason goes before the analysis's."""
    found = {conv.name: Decision(reason=conv.reason) for conv in run.analysis.convs}
    found |= {kept.name: Decision(reason=kept.reason) for kept in run.plan.kept}
    return found | {layer.name: Decision(planned=layer) for layer in run.plan.layers}


def _differing(
    before: dict[str, Decision],
    after: dict[str, Decision],
    differ: Callable[[Decision | None, Decision | None], bool],
) -> tuple[LayerDifference, ...]:
    names = dict.fromkeys((*before, *after))
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple(LayerDifference(name, one, two) for name, one, two in pairs if differ(one, two))


def _planned(decision: Decision | None) -> object:
    """What tells two decisions on a conv apart, whatever the reasons for not touching it."""
    return None if decision is None else (decision.planned,)


def _refused_otherwise(one: Decision | None, two: Decision | None) -> bool:
    """Whether the conv stays in both runs, for reasons of different codes."""
    if one is None or two is None or one.planned or two.planned:
        return False
    return (one.reason and one.reason.code) != (two.reason and two.reason.code)


def _stages(first: Run, second: Run) -> tuple[StagePair, ...]:
    before, after = _seconds(first), _seconds(second)
    return tuple(StagePair(name, before.get(name), after.get(name)) for name in dict.fromkeys((*before, *after)))


def _seconds(run: Run) -> dict[str, float]:
    """What each stage took; one that was gone through twice took the sum."""
    taken: dict[str, float] = {}
    for stage in run.stages:
        taken[stage.name] = taken.get(stage.name, 0.0) + stage.seconds
    return taken


def _notices(first: Run, second: Run) -> Iterator[Remark]:
    if not _same_model(first, second):
        yield Remark("other-model", "the runs are of different model files; layers are told apart by name")
    if _judged(first) != _judged(second):
        yield Remark("other-judging", "the runs were judged by different metrics or on different numbers of inputs")
    elif _same_model(first, second) and _scores_differ(first, second):
        yield Remark("other-data", "the same model scored differently before its conversion: the data is not the same")


def _judged(run: Run) -> tuple[int, str] | None:
    """On how many inputs and by what the run was judged."""
    if run.fidelity is None:
        return None
    return run.fidelity.samples, run.fidelity.metric.name if run.fidelity.metric else ""


def _scores_differ(first: Run, second: Run) -> bool:
    """Whether the dense models' scores are further apart than rounding on another machine takes them."""
    one, two = (run.fidelity.metric if run.fidelity else None for run in (first, second))
    return one is not None and two is not None and not isclose(one.before, two.before, rel_tol=1e-3)

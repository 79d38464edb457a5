"""Limits of a user's own, held against what was measured, so that a pipeline can stop where a model became worse.

A limit is kept (passed) where all of the interval keeps it, broken (failed) where all of it breaks it. Anything else is
inconclusive: nothing has been guarded. Where a figure has no interval, the figure decides.
"""

from __future__ import annotations

from math import exp, inf, isfinite, log

from convprof.drops import Drop, drop_of
from convprof.errors import UsageError
from convprof.records.analysis import Totals
from convprof.records.benchmark import Benchmark
from convprof.records.comparison import RunComparison
from convprof.records.fidelity import Fidelity
from convprof.records.gates import Gate, GateName, GateUnit, Limits, Outcome
from convprof.records.run import Run
from convprof.stats.comparison import NEGLIGIBLE, ROUNDS_FOR_A_VERDICT, Interval, difference_interval, verdict

NO_LIMITS = Limits()
_SLOWEST = 1e-9  # no speed-up is beyond it in either direction; in a file there may be anything
_INCOMPARABLE = frozenset({"other-model", "other-judging", "other-data"})


def check(limits: Limits, *, judged: bool = True, timed: bool = True, counted: bool = True) -> None:
    """Raise UsageError for a limit that nothing can be held against, before anything is measured.

    `judged` says that there are inputs to compare the outputs on, `timed` that there are two models to time, `counted`
    that what they hold is counted.
    """
    if limits.slower_than is not None:
        if not timed:
            raise UsageError("--fail-if-slower-than", "no two models are timed here", "name both to bench")
        if not 0 < limits.slower_than < inf:
            raise UsageError("--fail-if-slower-than", f"{limits.slower_than} is no speed-up", "ask for 1.0, say")
    if limits.drop_above is not None:
        if not judged:
            raise UsageError(
                "--fail-if-drop-above", "there are no inputs to judge the outputs on", "give --eval DATA, or use verify"
            )
        if not 0 <= limits.drop_above < inf:
            raise UsageError("--fail-if-drop-above", f"{limits.drop_above} is no loss", "ask for 0 or more, as 1.0")
    if not counted and on_sizes(limits):
        raise UsageError("--fail-if-params-above, --fail-if-macs-above", "nothing is counted here", "use verify")
    _check_sizes("--fail-if-params-above", limits.params_above, limits.params_share_above)
    _check_sizes("--fail-if-macs-above", limits.macs_above, limits.macs_share_above)


def on_sizes(limits: Limits) -> bool:
    """Whether parameters or MACs are limited, so that the models have to be counted."""
    sizes = (limits.params_above, limits.params_share_above, limits.macs_above, limits.macs_share_above)
    return any(each is not None for each in sizes)


def of_run(run: Run, limits: Limits) -> tuple[Gate, ...]:
    """Hold a run's converted model against all limits; other models in its benchmark have none."""
    judged = run.judged()
    before, after = run.analysis.totals, run.analysis_after.totals
    return (
        *(gate for gate in of_times(run.benchmark, limits) if judged and gate.candidate == judged.candidate),
        *of_fidelity(run.fidelity, limits),
        *of_sizes(before, after, limits),
    )


def of_times(benchmark: Benchmark, limits: Limits) -> tuple[Gate, ...]:
    """Hold every speed-up against the least that is allowed.

    Within 2 % of it, a speed-up keeps it as well: that is no difference that anyone would act on. It breaks it beyond
    the noise floor only.
    """
    if limits.slower_than is None:
        return ()
    few = sum(benchmark.rounds()) < ROUNDS_FOR_A_VERDICT
    return tuple(
        _speed(
            f"{benchmark.models[each.candidate].path} runs",
            each.candidate,
            limits.slower_than,
            (each.speedup, each.interval),
            benchmark.noise(),
            "so few rounds tell nothing: measure more" if few else "",
        )
        for each in benchmark.comparisons
    )


def of_fidelity(fidelity: Fidelity | None, limits: Limits) -> tuple[Gate, ...]:
    """Hold the loss by the best measure that was taken against the largest that is allowed."""
    most = limits.drop_above
    if most is None:
        return ()
    if fidelity is None:
        return (_unknown("fail-if-drop-above", most, "", "the outputs were not compared, for want of data"),)
    if not all(output.finite for output in fidelity.outputs):
        reason = "the outputs hold NaN or infinity"
        return (Gate("fail-if-drop-above", 1, most, "", None, None, "failed", reason),)
    if any(remark.code == "metric-not-finite" for remark in fidelity.notices):
        return (_unknown("fail-if-drop-above", most, "", "the metric has no value"),)
    return (_drop(drop_of(fidelity), most, f"on {fidelity.samples:,} inputs"),)


def of_sizes(before: Totals, after: Totals, limits: Limits) -> tuple[Gate, ...]:
    """Hold parameters and MACs against the most that is allowed; they are counted, so nothing is inconclusive."""
    return _sizes((before.parameters, after.parameters), (before.macs, after.macs), limits, "the original's")


def between(found: RunComparison, first: Run, second: Run, limits: Limits) -> tuple[Gate, ...]:
    """Hold the converted model of the second run against that of the first.

    Times and losses are known beside the original's only, so both runs have to be of one, and, for times, of one
    machine; otherwise such a limit is inconclusive.
    """
    one, other = found.first, found.second
    return (
        *_speed_between(found, first, second, limits),
        *_drop_between(found, first, second, limits),
        *_sizes((one.parameters, other.parameters), (one.macs, other.macs), limits, "the first run's"),
    )


def _check_sizes(what: str, most: int | None, share: float | None) -> None:
    if most is not None and share is not None:
        raise UsageError(what, "a number and a share are two limits", "give one of them")
    if not (most is None or most > 0) or not (share is None or 0 < share < inf):
        raise UsageError(what, "the limit is not above 0", "write 50% or 1.2M")


def _speed_between(found: RunComparison, first: Run, second: Run, limits: Limits) -> tuple[Gate, ...]:
    least = limits.slower_than
    if least is None:
        return ()
    codes = {remark.code for remark in found.notices}
    if not found.times_comparable or "other-model" in codes:
        why = "the runs are of other originals" if "other-model" in codes else "the runs were measured differently"
        return (_unknown("fail-if-slower-than", least, "times", f"{why}: bench their models on one machine"),)
    told = (first.verdict, second.verdict)
    if not all(_SLOWEST < value < 1 / _SLOWEST for each in told for value in (each.speedup, *each.interval)):
        return (_unknown("fail-if-slower-than", least, "times", "a speed-up was not recorded"),)
    few = min(sum(each.benchmark.rounds()) for each in (first, second)) < ROUNDS_FOR_A_VERDICT
    one, other = ((log(each.speedup), (log(each.interval[0]), log(each.interval[1]))) for each in told)
    step, (low, high) = difference_interval(one, other)
    ratio = exp(step), (exp(low), exp(high))
    doubt = "so few rounds tell nothing: measure more" if few else ""
    return (_speed(f"the model of {found.second.path} runs", 1, least, ratio, (1.0, 1.0), doubt),)


def _drop_between(found: RunComparison, first: Run, second: Run, limits: Limits) -> tuple[Gate, ...]:
    most = limits.drop_above
    if most is None:
        return ()
    if first.fidelity is None or second.fidelity is None:
        return (_unknown("fail-if-drop-above", most, "", "the outputs were not compared, for want of data"),)
    own = of_fidelity(second.fidelity, limits)[0]
    if own.value is None:
        return (own,)
    one, other = drop_of(first.fidelity), drop_of(second.fidelity)
    if _INCOMPARABLE & {remark.code for remark in found.notices} or one.words != other.words:
        return (_unknown("fail-if-drop-above", most, "", "the runs were judged differently: verify their models"),)
    if one.interval is None or other.interval is None:
        further = Drop(other.kind, other.words, other.unit, other.value - one.value)
    else:
        step = difference_interval((one.value, one.interval), (other.value, other.interval))
        further = Drop(other.kind, other.words, other.unit, *step)
    return (_drop(further, most, "beyond that of the first run"),)


def _speed(who: str, candidate: int, least: float, ratio: tuple[float, Interval], floor: Interval, doubt: str) -> Gate:
    value, (low, high) = ratio
    outcome: Outcome = "inconclusive" if doubt else _of_speedup((low / least, high / least), floor)
    told = f"{who} at {value:.3f} times the speed ({low:.3f} to {high:.3f})"
    remedy = doubt or "the interval has both sides of that: measure longer"
    reason = _sentence(told, f"at least {least:g}", remedy if outcome == "inconclusive" else "")
    return Gate("fail-if-slower-than", candidate, least, "times", value, (low, high), outcome, reason)


def _of_speedup(interval: Interval, floor: Interval) -> Outcome:
    """Read the interval of speed-up / limit."""
    low, high = interval
    if low >= 1:
        return "passed"
    if verdict(interval, floor) == "slower":
        return "failed"
    return "passed" if low >= 1 - NEGLIGIBLE and high <= 1 + NEGLIGIBLE else "inconclusive"


def _drop(drop: Drop, most: float, where: str) -> Gate:
    if not isfinite(drop.value):
        return _unknown("fail-if-drop-above", most, drop.unit, f"the {drop.words} is not known")
    low, high = drop.interval or (drop.value, drop.value)
    outcome: Outcome = "passed" if high <= most else "failed" if low > most else "inconclusive"
    shown = "z.2f" if drop.unit else ".4g"
    words = f"{drop.words} in {drop.unit}" if drop.unit else drop.words
    ends = f" ({low:{shown}} to {high:{shown}})" if drop.interval else ""
    told = f"the {words} is {drop.value:{shown}}{ends} {where}"
    remedy = "the interval has both sides of that: judge on more inputs"
    reason = _sentence(told, f"at most {most:g}", remedy if outcome == "inconclusive" else "")
    return Gate("fail-if-drop-above", 1, most, drop.unit, drop.value, drop.interval, outcome, reason)


def _sizes(parameters: tuple[int, int], macs: tuple[int, int], limits: Limits, whose: str) -> tuple[Gate, ...]:
    return (
        *_size("fail-if-params-above", "parameters", parameters, limits.params_above, limits.params_share_above, whose),
        *_size("fail-if-macs-above", "MACs", macs, limits.macs_above, limits.macs_share_above, whose),
    )


def _size(
    name: GateName, unit: GateUnit, counts: tuple[int, int], most: int | None, most_of: float | None, whose: str
) -> tuple[Gate, ...]:
    """At most one gate: the limit is a number, or a share of the first of the `counts`."""
    before, after = counts
    share = after / max(before, 1)
    told = f"the model has {after:,} {unit}, {100 * share:.1f} % of {whose}"
    if most_of is not None:
        outcome: Outcome = "passed" if share <= most_of else "failed"
        return (Gate(name, 1, most_of, "share", share, None, outcome, _sentence(told, f"at most {100 * most_of:g} %")),)
    if most is not None:
        outcome = "passed" if after <= most else "failed"
        return (Gate(name, 1, most, unit, after, None, outcome, _sentence(told, f"at most {most:,}")),)
    return ()


def _unknown(name: GateName, limit: float, unit: GateUnit, reason: str) -> Gate:
    return Gate(name, 1, limit, unit, None, None, "inconclusive", reason)


def _sentence(told: str, asked: str, remedy: str = "") -> str:
    return f"{told}, {asked} is asked for{f'; {remedy}' if remedy else ''}"

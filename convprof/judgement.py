"""Is the converted model worth having? The rule, in one place, and in words that the report prints."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf, sqrt

from msgspec.structs import replace

from convprof.drops import SHARES, drop_of
from convprof.errors import PlanError
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark, Comparison
from convprof.records.fidelity import Fidelity, MetricChange
from convprof.records.plan import Budget
from convprof.records.run import Rival, RunVerdict

# The largest loss that still counts as "as good": 1 point of a share, 0.5 dB, 1 % of any other metric.
_LARGEST_SHARE_LOSS = 0.01
_LARGEST_DECIBEL_LOSS = 0.5
_LARGEST_RELATIVE_LOSS = 0.01
# Without a metric: how much of the original's answers must survive.
_LEAST_AGREEMENT = 0.98
_LEAST_SQNR_DB = 20.0
# Signal-to-noise ratios have no interval: closer together than this they are the same.
_SAME_SQNR_DB = 0.5
_TWO_SIDED_95 = 1.96


@dataclass(frozen=True)
class _Quality:
    """Whether the outputs are good enough (None: nobody measured), and the sentence that says why."""

    enough: bool | None
    text: str


@dataclass(frozen=True)
class _Score:
    """How close a model is to the original: larger is closer. Two within `noise` of each other are the same."""

    kind: str
    value: float
    noise: float
    shown: str


@dataclass(frozen=True)
class _Contest:
    """Whether the rival makes the conversion pointless, and the sentence that says how the two compare."""

    beaten: bool
    text: str


def judge(
    before: Analysis, after: Analysis, fidelity: Fidelity | None, benchmark: Benchmark, rival: Rival | None = None
) -> RunVerdict:
    """Worth it is: measurably faster, no worse than the stated tolerance, and not beaten by `rival`, if there is one.

    A rival beats it that is measurably faster and, by the same metric or comparison and within its noise, no further
    from the original. What was not measured is said.
    """
    comparison = benchmark.comparisons[0]
    quality = _quality(fidelity)
    contest = None if rival is None else _contest(rival, fidelity)
    beaten = contest is not None and contest.beaten
    change = fidelity.metric.difference if fidelity is not None and fidelity.metric is not None else None
    return RunVerdict(
        worth_it=comparison.verdict == "faster" and bool(quality.enough) and not beaten,
        text=f"{_speed(comparison)}; {quality.text}." + (f" {contest.text}" if contest else ""),
        speedup=comparison.speedup,
        interval=comparison.interval,
        metric_change=change,
        size_change=after.totals.parameters / max(before.totals.parameters, 1) - 1,
        better_rival=rival.name if rival is not None and beaten else None,
    )


def within(fidelity: Fidelity, budget: Budget) -> tuple[Budget, float, bool]:
    """Whether the outputs are within the budget's max_drop or min_sqnr, or else within what the verdict allows.

    Returns the budget with that limit in it, the loss (or the ratio in dB) that it limits, and the answer. Raises
    PlanError for a max_drop where there is neither a metric nor a classifier's output.
    """
    asked = budget if budget.max_drop is not None or budget.min_sqnr is not None else _tolerated(fidelity, budget)
    finite = all(output.finite for output in fidelity.outputs)
    if asked.min_sqnr is not None:
        ratio = _worst_sqnr(fidelity)
        enough = finite and ratio >= asked.min_sqnr
        if asked.max_drop is None or not enough:
            return asked, ratio, enough
    loss = _loss(fidelity)
    return asked, loss, finite and loss <= (asked.max_drop or 0.0)


def _tolerated(fidelity: Fidelity, budget: Budget) -> Budget:
    """The budget with the largest loss that still makes a converted model worth having."""
    metric = fidelity.metric
    if metric is not None and metric.name != "agreement":
        if metric.name in SHARES:
            return replace(budget, max_drop=100 * _LARGEST_SHARE_LOSS)
        if metric.name == "psnr":
            return replace(budget, max_drop=_LARGEST_DECIBEL_LOSS)
        return replace(budget, max_drop=_LARGEST_RELATIVE_LOSS * abs(metric.before))
    if any(output.top1_agreement is not None for output in fidelity.outputs):
        return replace(budget, max_drop=100 * (1 - _LEAST_AGREEMENT))
    return replace(budget, min_sqnr=_LEAST_SQNR_DB)


def _loss(fidelity: Fidelity) -> float:
    """The metric's loss, in points for shares; without a metric the share of samples that got another class."""
    drop = drop_of(fidelity)
    if drop.kind == "distance":
        raise PlanError("--max-drop", "there is no metric to drop", "give --labels or --metric, or use --min-sqnr")
    return drop.value


def _worst_sqnr(fidelity: Fidelity) -> float:
    """Of all outputs, in dB; infinite where all are equal."""
    return min((output.sqnr_db for output in fidelity.outputs if output.sqnr_db is not None), default=inf)


def _speed(comparison: Comparison) -> str:
    low, high = comparison.interval
    shown = f"{comparison.speedup:.2f} times the speed ({low:.2f} to {high:.2f})"
    if comparison.verdict == "faster":
        return f"The converted model is faster, {shown}"
    if comparison.verdict == "slower":
        return f"The converted model is slower, {shown}"
    if comparison.verdict == "no-measurable-difference":
        return f"There is no measurable difference in speed, {shown}"
    return f"The measurement of speed is inconclusive, {shown}"


def _quality(fidelity: Fidelity | None) -> _Quality:
    if fidelity is None:
        return _Quality(None, "its outputs were not compared, for want of data")
    if not all(output.finite for output in fidelity.outputs):
        return _Quality(False, "its outputs hold NaN or infinity")
    if fidelity.metric is not None and fidelity.metric.name != "agreement":
        return _by_metric(fidelity.metric, fidelity.samples)
    return _by_outputs(fidelity)


def _by_metric(metric: MetricChange, samples: int) -> _Quality:
    loss = -metric.difference
    if metric.name in SHARES:
        limit, shown = _LARGEST_SHARE_LOSS, f"{100 * metric.difference:+.2f} points"
        values, tolerance = f"{100 * metric.before:.2f} to {100 * metric.after:.2f} %", "1 point"
    elif metric.name == "psnr":
        limit, shown = _LARGEST_DECIBEL_LOSS, f"{metric.difference:+.2f} dB"
        values, tolerance = f"{metric.before:.2f} to {metric.after:.2f} dB", "0.5 dB"
    else:
        limit, shown = _LARGEST_RELATIVE_LOSS * abs(metric.before), f"{metric.difference:+.4g}"
        values, tolerance = f"{metric.before:.4g} to {metric.after:.4g}", "1 %"
    enough = loss <= limit
    rule = f"{'within' if enough else 'beyond'} the tolerance of {tolerance}"
    return _Quality(enough, f"{metric.name} goes from {values} ({shown}, {rule}) on {samples:,} samples")


def _by_outputs(fidelity: Fidelity) -> _Quality:
    """No labels: compare with the original's own answers, by the worst output."""
    agreements = [output.top1_agreement for output in fidelity.outputs if output.top1_agreement is not None]
    if agreements:
        worst = min(agreements)
        text = f"it gives the original's class on {100 * worst:.2f} % of {fidelity.samples:,} unlabelled samples"
        return _Quality(worst >= _LEAST_AGREEMENT, f"{text} (we ask for {100 * _LEAST_AGREEMENT:.0f} %)")
    ratios = [output.sqnr_db for output in fidelity.outputs if output.sqnr_db is not None]
    if not ratios:
        return _Quality(True, "its outputs equal the original's")
    text = f"its outputs stand {min(ratios):.1f} dB above their error on {fidelity.samples:,} samples"
    return _Quality(min(ratios) >= _LEAST_SQNR_DB, f"{text} (we ask for {_LEAST_SQNR_DB:.0f} dB)")


def _contest(rival: Rival, fidelity: Fidelity | None) -> _Contest:
    comparison = rival.against_converted
    low, high = comparison.interval
    shown = f"{comparison.speedup:.2f} times its speed ({low:.2f} to {high:.2f})"
    pace = f"{_PACE[comparison.verdict]}, {shown}"
    size = f"its file has {rival.bytes / rival.bytes_converted:.2f} times the bytes"
    mine, other = _score(fidelity), _score(rival.fidelity)
    if mine is None or other is None or mine.kind != other.kind:
        return _Contest(False, f"{_named(rival)} alone is {pace}; how close the two are was not compared; {size}.")
    gap, noise = other.value - mine.value, hypot(mine.noise, other.noise)
    enough = bool(_quality(rival.fidelity).enough)
    # Few samples make much noise: what is within it, yet beyond the tolerance, is not as good.
    closeness = (
        "closer to" if gap > noise else "as close to" if gap >= 0 or (enough and -gap <= noise) else "further from"
    )
    beaten = comparison.verdict == "faster" and closeness != "further from"
    advice = "" if not beaten else ": use it" if enough else ", but not good enough either"
    both = f"{mine.kind} {other.shown} against {mine.shown}"
    word = "and" if (comparison.verdict == "faster") == (closeness != "further from") else "but"
    text = f"{_named(rival)} alone is {pace}, {word} {closeness} the original ({both}){advice}; {size}."
    return _Contest(beaten, text)


_PACE = {
    "faster": "faster",
    "slower": "slower",
    "no-measurable-difference": "no faster and no slower",
    "inconclusive": "perhaps faster, perhaps slower",
}


def _named(rival: Rival) -> str:
    return rival.name[:1].upper() + rival.name[1:]


def _score(fidelity: Fidelity | None) -> _Score | None:
    """What to compare by, as `_quality` chooses it; None where nothing was measured."""
    if fidelity is None:
        return None
    if not all(output.finite for output in fidelity.outputs):
        return None
    if fidelity.metric is not None and fidelity.metric.name != "agreement":
        return _metric_score(fidelity.metric)
    agreements = [output.top1_agreement for output in fidelity.outputs if output.top1_agreement is not None]
    if agreements:
        share = min(agreements)
        noise = _TWO_SIDED_95 * sqrt(share * (1 - share) / fidelity.samples)
        return _Score("agreement", share, noise, f"{100 * share:.2f} %")
    ratios = [output.sqnr_db for output in fidelity.outputs if output.sqnr_db is not None]
    decibels = min(ratios, default=inf)
    return _Score("signal-to-noise ratio", decibels, _SAME_SQNR_DB, f"{decibels:.1f} dB")


def _metric_score(metric: MetricChange) -> _Score:
    """The noise is half the width of the interval of the change, for both models were given the same inputs."""
    noise = 0.0 if metric.interval is None else (metric.interval[1] - metric.interval[0]) / 2
    if metric.name in SHARES:
        return _Score(metric.name, metric.after, noise, f"{100 * metric.after:.2f} %")
    if metric.name == "psnr":
        return _Score(metric.name, metric.after, noise, f"{metric.after:.2f} dB")
    return _Score(metric.name, metric.after, noise, f"{metric.after:.4g}")

"""What two paired samples say about each other: a ratio of times or a difference of scores, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, hypot, inf, isfinite, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from convprof.records.benchmark import Verdict
from convprof.stats.bootstrap import block_length, expanded, interval
from convprof.stats.samples import Array, Sample

NEGLIGIBLE = 0.02
"""A ratio of times this close to 1 is no difference that anyone would act on."""

ROUNDS_FOR_A_VERDICT = 6
"""Below it no order statistics enclose the median with 95 %: 2 / 2^5 is more than 0.05."""

Interval = tuple[float, float]


def paired_ratio(baseline: Sample, candidate: Sample, seed: int, level: float = 0.95) -> tuple[float, Interval]:
    """Find how many times faster the candidate is: exp(median of log(baseline_i / candidate_i)) and its interval.

    Both are positive times, of the same rounds in the order of the rounds; a drift that slows down both cancels out.
    The interval at `level` is that of a circular block bootstrap, expanded for as few blocks as there are. Raises
    ValueError for times that are not positive or not paired.
    """
    logs = _logs(baseline, candidate)
    block = block_length(len(logs))
    wide = expanded(level, len(logs) / block)
    low, high = interval(logs, _median, seed=seed, level=wide, block=block)
    return float(np.exp(np.median(logs.values))), (float(np.exp(low)), float(np.exp(high)))


def ratio_of_processes(
    baseline: Sequence[Sample], candidate: Sequence[Sample], level: float = 0.95
) -> tuple[float, Interval]:
    """Find how many times faster the candidate is, by the times of two or more processes, each paired in itself.

    Every process counts as one value, the median of log(baseline_i / candidate_i) of its rounds. The ratio is exp of
    their mean, and the interval is Student's: it holds what differs from process to process, which no number of rounds
    within one can show. Why no bootstrap: docs/decisions/0024-processes.md. Raises ValueError for fewer than two
    processes, and for times that are not positive or not paired.
    """
    from scipy.special import stdtrit

    if len(baseline) < 2:
        raise ValueError("one process does not say how processes differ")
    logs = np.array([np.median(_logs(*pair).values) for pair in zip(baseline, candidate, strict=True)])
    reach = float(stdtrit(len(logs) - 1, (1 + level) / 2) * logs.std(ddof=1)) / sqrt(len(logs))
    middle = float(logs.mean())
    return exp(middle), (exp(middle - reach), exp(middle + reach))


def verdict(interval: Interval, floor: Interval = (1.0, 1.0)) -> Verdict:
    """Read the interval of a ratio baseline / candidate, with that of the baseline against itself as the `floor`.

    Faster or slower where all of it lies further from 1 than either end of the floor; no measurable difference where
    all of it is NEGLIGIBLE, or leaves out 1 and lies no further from it than the floor; otherwise nothing can be said.
    """
    low, high = interval
    far = max(floor[1], 1 / floor[0])
    if low > far:
        return "faster"
    if high < 1 / far:
        return "slower"
    drowned = not low <= 1 <= high and low >= 1 / far and high <= far
    if drowned or (low >= 1 - NEGLIGIBLE and high <= 1 + NEGLIGIBLE):
        return "no-measurable-difference"
    return "inconclusive"


def paired_difference(before: Sample, after: Sample, seed: int, level: float = 0.95) -> tuple[float, Interval]:
    """Find the mean of after_i - before_i, scores of the same inputs, and its interval at `level`.

    Scores of 0 and 1 have the interval of Bonett and Price (2012, J. Educ. Behav. Stat. 37), which does not shrink to
    nothing where no score changed, as a bootstrap would. Other scores are resampled one by one, for inputs have no
    order. Raises ValueError for samples that are not paired.
    """
    _check_pairs(before, after)
    differences = Sample(after.values - before.values)
    mean = float(differences.values.mean())
    if np.isin(np.concatenate([before.values, after.values]), (0, 1)).all():
        return mean, _changed_answers(differences, level)
    return mean, interval(differences, _mean, seed=seed, level=level, block=1)


def share_interval(hits: int, count: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval for the share that `hits` of `count` independent samples stand for.

    It holds the share at least as often as it says, and has a width where there were no hits too.
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits else 0.0
    return low, float(betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0


def difference_interval(one: tuple[float, Interval], other: tuple[float, Interval]) -> tuple[float, Interval]:
    """Find other - one and its interval, from two values with an interval each, which need not be symmetric.

    Each end is as far from the difference as the two ends that lead there, added as independent errors (Zou and Donner
    2008, Stat. Med. 27, 1693). Errors that the two have in common make it wider than it has to be.
    """
    (a, (low_a, high_a)), (b, (low_b, high_b)) = one, other
    return b - a, (b - a - hypot(b - low_b, high_a - a), b - a + hypot(high_b - b, a - low_a))


def _changed_answers(differences: Sample, level: float) -> Interval:
    """Adjusted Wald interval for a difference of paired proportions: one more change counted in each direction."""
    count = len(differences) + 2
    better, worse = (float(np.sum(differences.values == change)) + 1 for change in (1, -1))
    mean = (better - worse) / count
    error = sqrt((better + worse) / count - mean**2) / sqrt(count)
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return max(mean - reach, -1.0), min(mean + reach, 1.0)


def _logs(baseline: Sample, candidate: Sample) -> Sample:
    if min(baseline.values.min(), candidate.values.min()) <= 0:
        raise ValueError("a ratio needs times above 0")
    _check_pairs(baseline, candidate)
    return Sample(np.log(baseline.values / candidate.values))


def _check_pairs(one: Sample, other: Sample) -> None:
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} values are no pairs")


def _median(rows: Array) -> Array:
    return np.asarray(np.median(rows, axis=1))


def _mean(rows: Array) -> Array:
    return np.asarray(rows.mean(axis=1))


def relative_norm(error: float, original: float) -> float | None:
    """Divide, where that has a meaning: no error is 0 of anything, and any error is no multiple of 0."""
    if error == 0:
        return 0.0
    ratio = error / original if original else inf
    return ratio if isfinite(ratio) else None


def relative_square(original: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """|b - a|^2 / |a|^2 with a the original, in float64; not finite where there is no power, or no number."""
    a, b = original.astype(np.float64), other.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # infinities leave no number, and that is said
        error, power = float(np.square(b - a).sum()), float(np.square(a).sum())
    if error == 0:
        return 0.0
    return error / power if power else inf

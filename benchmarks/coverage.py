"""Claim: intervals of speed-ups hold the true one as often as they say, and the noise floor keeps false answers rare.

Times are drawn, not measured, so the true ratio is known: steady ones, ones with heavy tails, of neighbours that
resemble each other, on a machine that drifts, of a coarse clock; from one process, from several that differ, and of
rounds that end when the interval is narrow enough. Each interval beside others that could have been taken.

    python benchmarks/coverage.py [--runs 1000]

About 8 minutes, less with fewer runs; other work on the machine does not matter.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from writing import Page, parser

from convprof.benchmarking.rounds import LOOKS, known
from convprof.stats.bootstrap import block_length
from convprof.stats.comparison import Interval, paired_ratio, ratio_of_processes, verdict
from convprof.stats.samples import Sample

Array = NDArray[np.float64]
Random = np.random.Generator
_RATIO = 1.3
_MOST_ROUNDS = 2000


@dataclass(frozen=True)
class Law:
    """How times come about: a drift that models share and noise of each, in whole ticks of the clock where asked."""

    name: str
    noise: Callable[[Random, int], Array]
    shared: Callable[[Random, int], Array] = lambda _, rounds: np.zeros(rounds)
    ticks: bool = False

    def times(self, random: Random, rounds: int, *logs: float) -> list[Array]:
        """Draw the times of models whose true times are exp of `logs`."""
        shared = self.shared(random, rounds)
        drawn = [np.exp(each + shared + self.noise(random, rounds)) for each in logs]
        return [np.maximum(np.round(each), 1.0) for each in drawn] if self.ticks else drawn


def _normal(random: Random, rounds: int) -> Array:
    return random.normal(0, 0.03, rounds)


def _heavy(random: Random, rounds: int) -> Array:
    return 0.03 * random.standard_t(2.5, rounds)


def _wandering(random: Random, rounds: int) -> Array:
    steps = 0.03 * random.standard_t(4, rounds + 50)
    for place in range(1, len(steps)):
        steps[place] += 0.5 * steps[place - 1]
    return np.asarray(steps[50:])


def _throttling(random: Random, rounds: int) -> Array:
    return np.linspace(0, 0.3, rounds) + 0.1 * np.sin(np.arange(rounds) / random.uniform(5, 15))


LAWS = (
    Law("steady", _normal),
    Law("heavy tails", _heavy),
    Law("neighbours alike", _wandering),
    Law("drift, heavy tails", _heavy, _throttling),
    Law("coarse clock (ties)", _normal, ticks=True),
)
_PLAIN = Law("heavy tails", _heavy)


def main() -> int:
    """Simulate, tell, write the page."""
    made = parser(__doc__)
    made.add_argument("--runs", type=int, default=1000, help="simulated benchmarks a row (1000)")
    options = made.parse_args()
    page = Page(
        "coverage",
        "What the intervals hold",
        "Intervals at 95 % hold the true ratio about as often, from one process and from several, through heavy tails, "
        "drifts and ties; less often where the noise of a round resembles that of the last. What is beyond the noise "
        "floor is rarely no difference.",
        "python benchmarks/coverage.py",
        facts={"seeds": f"0 to {options.runs - 1}", "n": f"{options.runs} simulated benchmarks a row"},
    )
    _one_process(page, options.runs)
    _processes(page, options.runs)
    _stopping(page, options.runs)
    _floor(page, options.runs)
    page.write(options.output, ("numpy", "scipy"))
    return 0


def _one_process(page: Page, runs: int) -> None:
    page.say("## One process")
    page.say(
        "The circular block bootstrap of the median log-ratio, `convprof.stats.comparison.paired_ratio`. Of neighbours "
        "that are alike, each model's times have an autocorrelation of 0.5 that the other's do not share."
    )
    rows = []
    for law in LAWS:
        for rounds in (30, 100, 300):
            found = [_single(law, rounds, random) for random in _random(runs)]
            rows.append((law.name, rounds, _held(found), _width(found)))
    _tell(page, "one process", ("times", "rounds", "held, %", "mean width, %"), rows)


def _single(law: Law, rounds: int, random: Random) -> Interval:
    one, other = law.times(random, rounds, math.log(130), math.log(100))
    return paired_ratio(Sample(one), Sample(other), seed=0)[1]


def _processes(page: Page, runs: int) -> None:
    page.say("## Several processes")
    page.say(
        "30 rounds with heavy tails in each; the ratio differs from process to process by a normal law of the spread "
        "given. Student: what `--processes` reports. Two levels: processes drawn anew, and in each its rounds in "
        "blocks. Pooled: all rounds as if of one process."
    )
    kinds = (_student, _two_levels, _pooled)
    rows = []
    for spread in (0.0, 0.01, 0.03):
        for count in (2, 3, 5, 10):
            found = [[kind(*_drawn(random, count, spread)) for kind in kinds] for random in _random(runs)]
            by_kind = list(zip(*found, strict=True))
            figures = [text for each in by_kind for text in (_held(each), _width(each))]
            rows.append((f"{100 * spread:.0f}", count, *figures))
    header = ("spread, %", "processes", "Student held, %", "width, %", "two levels held, %", "width, %")
    _tell(page, "processes", (*header, "pooled held, %", "width, %"), rows)


def _drawn(random: Random, count: int, spread: float) -> tuple[list[Sample], list[Sample]]:
    ratios = math.log(_RATIO) + random.normal(0, spread, count)
    pairs = [_PLAIN.times(random, 30, ratio, 0.0) for ratio in ratios]
    return [Sample(one) for one, _ in pairs], [Sample(other) for _, other in pairs]


def _student(one: Sequence[Sample], other: Sequence[Sample]) -> Interval:
    return ratio_of_processes(one, other)[1]


def _pooled(one: Sequence[Sample], other: Sequence[Sample]) -> Interval:
    joined = [Sample(np.concatenate([each.values for each in samples])) for samples in (one, other)]
    return paired_ratio(joined[0], joined[1], seed=0)[1]


def _two_levels(one: Sequence[Sample], other: Sequence[Sample], resamples: int = 500) -> Interval:
    """Percentiles of the mean over processes drawn anew of the medians of their rounds drawn anew, in blocks."""
    random = np.random.default_rng(0)
    logs = np.array([np.log(a.values / b.values) for a, b in zip(one, other, strict=True)])
    count, rounds = logs.shape
    block = block_length(rounds)
    starts = random.integers(rounds, size=(resamples, count, -(-rounds // block), 1))
    places = ((starts + np.arange(block)) % rounds).reshape(resamples, count, -1)[:, :, :rounds]
    drawn = random.integers(count, size=(resamples, count, 1))
    low, high = np.quantile(np.median(logs[drawn, places], axis=2).mean(axis=1), [0.025, 0.975])
    return math.exp(low), math.exp(high)


def _stopping(page: Page, runs: int) -> None:
    page.say("## Rounds until the interval is narrow")
    page.say(
        "One process, heavy tails. Whoever looks often stops at an interval that is narrow by accident, so two "
        "looks in a row must agree."
    )
    rows = []
    for width in (0.05, 0.02):
        found = [_until(width, random) for random in _random(runs)]
        rounds = np.mean([count for count, _ in found])
        rows.append((f"{100 * width:.0f}", f"{rounds:.0f}", _held([interval for _, interval in found])))
    _tell(page, "stopping", ("--interval-width, %", "mean rounds", "held, %"), rows)


def _until(width: float, random: Random) -> tuple[int, Interval]:
    one, other = _PLAIN.times(random, _MOST_ROUNDS, math.log(_RATIO), 0.0)
    rounds = list(zip(one.tolist(), other.tolist(), strict=True))
    looks = [look for look in LOOKS if look <= _MOST_ROUNDS]
    look = next((look for look in looks if known(rounds[:look], width, seed=0)), looks[-1])
    return look, paired_ratio(Sample(one[:look]), Sample(other[:look]), seed=0)[1]


def _floor(page: Page, runs: int) -> None:
    page.say("## The noise floor")
    page.say(
        "One process, 100 rounds with heavy tails; every session is faster or slower for as long as it lives, by a "
        "normal law of the spread given. How often `faster` or `slower` is said, of models that differ by so much: "
        "without a floor, beyond what the first model against itself came to, and beyond the further end of the "
        "interval of that, which is the rule."
    )
    rows = []
    for spread in (0.0, 0.003, 0.01, 0.02):
        for difference in (0.0, 0.02, 0.05, 0.1):
            said = np.array([_said(spread, difference, random) for random in _random(runs)])
            rows.append(
                (f"{100 * spread:.1f}", f"{100 * difference:.0f}", *(f"{100 * p:.1f}" for p in said.mean(axis=0)))
            )
    header = ("spread of sessions, %", "difference, %", "no floor, %", "beyond its middle, %", "beyond its end, %")
    _tell(page, "floor", header, rows)


def _said(spread: float, difference: float, random: Random) -> tuple[bool, ...]:
    sessions = random.normal(0, spread, 3)
    first, twin, other = _PLAIN.times(random, 100, sessions[0], sessions[1], sessions[2] - difference)
    interval = paired_ratio(Sample(first), Sample(other), seed=0)[1]
    middle, ends = paired_ratio(Sample(first), Sample(twin), seed=0)
    floors: tuple[Interval, ...] = ((1.0, 1.0), (min(middle, 1 / middle), max(middle, 1 / middle)), ends)
    return tuple(verdict(interval, floor) in ("faster", "slower") for floor in floors)


def _random(runs: int) -> Iterator[Random]:
    return (np.random.default_rng(seed) for seed in range(runs))


def _held(intervals: Sequence[Interval]) -> str:
    return f"{100 * np.mean([low <= _RATIO <= high for low, high in intervals]):.1f}"


def _width(intervals: Sequence[Interval]) -> str:
    return f"{100 * np.mean([high / low - 1 for low, high in intervals]):.1f}"


def _tell(page: Page, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    page.table(header, rows)
    page.raw[name] = {"header": list(header), "rows": [list(row) for row in rows]}


if __name__ == "__main__":
    sys.exit(main())

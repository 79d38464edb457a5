"""One model with its data, to plan for and to time: convprof's own stages, called as its verbs call them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from fits.parts import Raw
from fits.subjects import OPTIONS

from convprof import benchmarking, planning, pricing, runtime
from convprof.data import Batches
from convprof.graph import Model
from convprof.holding import DEFAULT_BUDGET
from convprof.pipeline.job import Job
from convprof.pipeline.proposing import choices
from convprof.planning import Choice
from convprof.records.analysis import Analysis, ConvReport
from convprof.records.benchmark import Benchmark
from convprof.records.plan import Budget, PlannedLayer
from convprof.records.prices import LatencyTable
from plans.notes import Ticker

Layers = tuple[PlannedLayer, ...]
_ROUNDS = 40
_LEAST_SECONDS, _MOST_SECONDS = 2.0, 8.0
_TRIAL_SECONDS = 0.2
_TOGETHER, _TRIAL_TOGETHER = 60.0, 1.0
_TRIAL_EFFORT = runtime.Effort(rounds=3, least=3, seconds=1.0, visit=0.05)


@dataclass(frozen=True)
class Share:
    """A time as a share of the dense model's, measured interleaved with it, and what encloses it with 95 %."""

    value: float
    low: float
    high: float

    @property
    def raw(self) -> Raw:
        """As JSON has it."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Times:
    """The share of a model that takes turns with the dense one alone, and with many more.

    Each model that comes between throws others' weights out of the caches: a network of a megabyte takes a fixed time
    longer among many, which is more of the time of the light ones. Plans are made for the first of the two.
    """

    alone: Share
    together: Share

    @property
    def raw(self) -> Raw:
        """As JSON has it."""
        return {"share": self.alone.raw, "together": self.together.raw}


def shown(share: Mapping[str, float]) -> tuple[str, str]:
    """A share as JSON has it: the number, and its interval."""
    return f"{share['value']:.3f}", f"{share['low']:.3f} to {share['high']:.3f}"


class Workshop:
    """The model and the convs that may be converted; what was priced, surveyed or timed once is not done again."""

    def __init__(
        self,
        model: Model,
        counted: Analysis,
        convs: Sequence[ConvReport],
        batches: Batches | None,
        folder: Path,
        *,
        trial: bool,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.model, self.counted, self.convs, self.trial = model, counted, tuple(convs), trial
        self.ticker = Ticker()
        self._job = Job(
            opened=model,
            before=counted,
            convs=self.convs,
            batches=batches,
            judged=None,
            metric=None,
            options=OPTIONS,
            seed=0,
            memory=DEFAULT_BUDGET,
            final=folder,
            folder=folder,
            progress=self.ticker,
            timer=time.perf_counter,
        )
        self._folder = folder
        self._shares: dict[Layers, Share] = {}
        self.dense_ms = self.timed((), _TRIAL_SECONDS).models[0].median_ms
        usual = min(max(2 * _ROUNDS * self.dense_ms / 1000, _LEAST_SECONDS), _MOST_SECONDS)
        self._seconds = _TRIAL_SECONDS if trial else usual

    @property
    def path(self) -> Path:
        """The model's file."""
        return self._job.path

    def by_macs(self, forms: Collection[str]) -> Choice:
        """All candidates with their damages and no prices; asked for first, it finds the damages of `by_time` too."""
        return choices(self._job, forms, Budget(target_macs=1.0), None)[0]

    def by_time(self, forms: Collection[str]) -> Choice:
        """Candidates that are measurably faster than their convs, with prices and damages."""
        return choices(self._job, forms, Budget(target_latency=1.0), None)[0]

    def only(self, choice: Choice, form: str) -> Choice:
        """What is left of a priced choice with one form."""
        offers = planning.offered(self.convs, (form,), choice.prices)
        return replace(choice, offers=offers)

    def prices(self, forms: Collection[str]) -> LatencyTable:
        """The prices alone; a trial takes a few short rounds."""
        return pricing.price(
            self.model,
            self.counted,
            self.convs,
            forms,
            self._job.feeds(),
            options=OPTIONS,
            seed=0,
            timer=time.perf_counter,
            folder=self._folder,
            effort=_TRIAL_EFFORT if self.trial else runtime.Effort(),
            progress=self.ticker,
        )

    def share(self, layers: Layers) -> Share:
        """What the model with `layers` in it takes, weights apart: 40 rounds or 8 seconds beside the dense one."""
        if not layers:
            return Share(1.0, 1.0, 1.0)
        if layers not in self._shares:
            with TemporaryDirectory(prefix="stand-in-", dir=self._folder) as folder:
                path = pricing.stand_in(self.model, layers, Path(folder))
                (self._shares[layers],) = shares(self.timed((path,), self._seconds))
        return self._shares[layers]

    def times(self, paths: Sequence[Path]) -> list[Times]:
        """Of models as they are, each in turns with the dense one, and all in turns with each other."""
        together = shares(self.timed(paths, _TRIAL_TOGETHER if self.trial else _TOGETHER))
        alone = [shares(self.timed((path,), self._seconds))[0] for path in paths]
        return [Times(one, all_) for one, all_ in zip(alone, together, strict=True)]

    def within(self, target: float) -> Callable[[Layers], bool]:
        """Whether a plan was measured to take at most so much of the time."""
        return lambda layers: self.share(layers).value <= target

    def timed(self, paths: Sequence[Path], seconds: float) -> Benchmark:
        """The dense model and those at `paths`, interleaved for so many seconds."""
        feeds = self._job.feeds()
        models = [(path, "") for path in (self.path, *paths)]
        return benchmarking.measure(
            models, [feeds] * len(models), options=OPTIONS, iterations=None, duration=seconds, progress=self.ticker
        )


def shares(benchmark: Benchmark) -> list[Share]:
    """Of every model but the first, as shares of its time."""
    return [Share(1 / found.speedup, 1 / found.interval[1], 1 / found.interval[0]) for found in benchmark.comparisons]

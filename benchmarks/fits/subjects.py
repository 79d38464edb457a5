"""A trained network, opened once: converted by plans and methods, and judged on its test inputs."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from convprof import analysis, execution, planning, rewriting, runtime
from convprof.data import Batches, open_data
from convprof.graph import Model, convs_behind, find_convs
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.records.convs import ConvSite
from convprof.records.factors import FittedConv
from convprof.records.plan import KeptLayer, Plan, PlannedLayer
from convprof.records.remarks import Remark
from convprof.stats.comparison import paired_difference
from convprof.stats.samples import Sample
from fits.trained import Scores, Setting, Trained, Values

OPTIONS = runtime.RunOptions()
_KEPT = Remark("kept", "a rule has left it as it is")
Method = Callable[[Model, Plan, Batches, int, Store], Sequence[FittedConv]]
"""Numbers for a prepared model's planned layers, from inputs and a seed."""


@dataclass(frozen=True)
class Outcome:
    """One configuration over its seeds, JSON-able.

    `scores` has one number a seed; `change` is the 95 % interval of their mean less the dense network's score, paired
    over the `tests` inputs and clear of how seeds differ; `seconds` is processor time of the fit, averaged.
    """

    scores: tuple[float, ...]
    dense: float
    change: tuple[float, float]
    tests: int
    inputs: int
    seconds: float
    macs: int
    dense_macs: int
    layers: int

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.scores)

    @property
    def share(self) -> float:
        """MACs of the converted network as a share of the dense one's."""
        return self.macs / self.dense_macs


@dataclass(frozen=True)
class Judged:
    """An outcome, and the scores of the test inputs one by one, averaged over the seeds and not yet scaled."""

    outcome: Outcome
    each: Scores
    scale: float

    def better_than(self, other: Judged) -> tuple[float, tuple[float, float]]:
        """Difference of the means, and its 95 % interval paired over the test inputs."""
        return difference(other.each, self.each, self.scale)


def difference(before: Scores, after: Scores, scale: float) -> tuple[float, tuple[float, float]]:
    """Mean difference of paired scores, and its 95 % interval."""
    mean, (low, high) = paired_difference(Sample(before), Sample(after), seed=0)
    return scale * mean, (scale * low, scale * high)


class Subject:
    """One of the trained networks with its data."""

    def __init__(self, trained: Trained, setting: Setting) -> None:
        self.trained, self.setting = trained, setting
        self.path = setting.models / trained.file
        self.calibration, tests = trained.collect(setting)
        self._loaded = execution.load(self.path)
        self.tests = open_data(
            str(tests), self._loaded.inputs, preprocess=trained.preprocess, labels="y", limit=setting.tests
        )
        self.inputs = self.open(self.calibration)
        self.model = execution.settle(self._loaded, {}, {}, self.inputs.shapes)
        self.counted = analysis.analyze(self.model, max_rank=0)

    def open(self, path: Path) -> Batches:
        """Calibration inputs from another file."""
        data = open_data(str(path), self._loaded.inputs, preprocess=self.trained.preprocess)
        return data.take(self.setting.most(data.count))

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the convs that stay dense: the first, which sees one or three channels."""
        return (self.counted.convs[0].name,)

    @cached_property
    def sites(self) -> dict[str, ConvSite]:
        """The convs to convert, by name, at the sizes of the calibration inputs."""
        wanted = {conv.name for conv in planning.select(self.counted, (), self.skipped)}
        return {conv.name: conv.known_site for conv in find_convs(self.model) if conv.name in wanted}

    @cached_property
    def dense(self) -> Scores:
        """The original's scores of the test inputs."""
        return self.judge(self.path)

    def uniform(self, rank: int, form: str = "depthwise-pointwise") -> Plan:
        """One form at one rank in every conv but those that stay dense."""
        return planning.uniform(self.counted, planning.select(self.counted, (), self.skipped), form, (rank,), None)

    def planned(self, layers: Sequence[PlannedLayer]) -> Plan:
        """The plan with `layers`, and what stays dense behind them refitted."""
        names = {layer.name for layer in layers}
        kept = tuple(KeptLayer(conv.name, _KEPT) for conv in self.counted.convs if conv.name not in names)
        plan = Plan("convprof.plan/1", self.counted.model, tuple(layers), kept)
        convs = planning.select(self.counted, (), self.skipped)
        return planning.refitted(plan, self.counted, convs, convs_behind(self.model, names))

    def judge(self, path: Path) -> Scores:
        """Scores of the test inputs, one by one."""
        labels = self._labels
        found, done = [], 0
        for answers in self._answers(path):
            found.append(self.trained.score(answers, labels[done : done + len(answers)]))
            done += len(answers)
        return np.concatenate(found)

    def answers(self, path: Path) -> Values:
        """The model's first output for all test inputs."""
        return np.concatenate(list(self._answers(path)))

    def score(self, answers: Values) -> Scores:
        """Scores of such answers, one by one."""
        return self.trained.score(answers, self._labels)

    @property
    def _labels(self) -> Values:
        assert self.tests.labels is not None
        return self.tests.labels

    def _answers(self, path: Path) -> Iterator[Values]:
        session = runtime.open_session(path, OPTIONS)
        for feeds in self.tests.batches(self.trained.at_once):
            yield session.run(feeds)[session.outputs[0]]

    def convert(self, plan: Plan, method: Method, batches: Batches, seed: int, path: Path) -> float:
        """Write the converted model to `path`; processor seconds of the fit."""
        prepared = rewriting.prepare(self.model, plan)
        with Store(DEFAULT_BUDGET, self.setting.folder) as store:
            start = time.process_time()
            fitted = method(prepared, plan, batches, seed, store)
            seconds = time.process_time() - start
        rewriting.rewrite(prepared, plan, fitted, path)
        return seconds

    def try_out(
        self,
        plan: Plan,
        method: Method,
        seeds: Sequence[int] | None = None,
        inputs: Callable[[int], Batches] | None = None,
    ) -> Judged:
        """Convert and judge with every seed; `inputs` says what a seed is calibrated with, by default all there is."""
        seeds = self.setting.seeds if seeds is None else seeds
        path, found, spent = self.setting.folder / "converted.onnx", [], []
        for seed in seeds:
            batches = self.inputs if inputs is None else inputs(seed)
            spent.append(self.convert(plan, method, batches, seed, path))
            found.append(self.judge(path))
            print(
                f"    seed {seed}: {self.trained.scale * found[-1].mean():.2f} in {spent[-1]:.1f} s",
                file=sys.stderr,
                flush=True,
            )
        return self.judged(path, found, statistics.fmean(spent), batches.count, len(plan.layers))

    def judged(self, path: Path, found: Sequence[Scores], seconds: float, inputs: int, layers: int) -> Judged:
        """The outcome of scores `found` with each seed, of models that are all like the one at `path`."""
        each: Scores = np.mean(found, axis=0)
        scale = self.trained.scale
        outcome = Outcome(
            scores=tuple(scale * float(scores.mean()) for scores in found),
            dense=scale * float(self.dense.mean()),
            change=self.change(each),
            tests=len(each),
            inputs=inputs,
            seconds=seconds,
            macs=self.macs(path),
            dense_macs=self.counted.totals.macs,
            layers=layers,
        )
        return Judged(outcome, each, scale)

    def change(self, scores: Scores) -> tuple[float, float]:
        """The 95 % interval of the mean of scores less the original's, paired over the test inputs."""
        return difference(self.dense, scores, self.trained.scale)[1]

    def macs(self, path: Path) -> int:
        """MACs of a converted model, at the sizes of the calibration inputs."""
        model = execution.settle(execution.load(path), {}, {}, self.inputs.shapes)
        return analysis.analyze(model, max_rank=0).totals.macs

"""The ways to run a network while it trains, and which of them is the fastest here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from itertools import product
from types import TracebackType
from typing import Self

import msgspec
import torch
from torch import Tensor

from convprof.errors import ModelError
from convprof.records.tuning import Precision, Way, WayTime
from convprof.torch import Module
from convprof.torch.composing import chains, compose
from convprof.tuning import settings
from convprof.tuning.compiling import scratch
from convprof.tuning.samples import Batch

_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
_HOPELESS = 3.0


class Running:
    """The student, and how it is run at the moment; as a context it leaves the student as it came, but for weights."""

    def __init__(self, student: Module, device: torch.device) -> None:
        self.student, self.device = student, device
        self.way = Way(False, "float32", False)
        self._chained = student.network
        self._composable = bool(chains(student))
        self._ends = ExitStack()
        self._has_scratch = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.student.compile_training(False).rewire(self._chained)
        self._ends.close()

    def use(self, way: Way) -> None:
        """From now on run this way; what was compiled stays so while the network does."""
        if way.composed != self.way.composed:
            self.student.rewire(self._chained)
            if way.composed:
                compose(self.student)
        self.way = way
        self.student.compile_training(way.compiled)
        if way.compiled and not self._has_scratch:
            self._ends.enter_context(scratch())
            self._has_scratch = True

    def ways(self) -> Iterator[Way]:
        """All that can be tried here, the most promising first."""
        for composed, last, precision in product((True, False), (True, False), _PRECISIONS):
            if composed <= self._composable:
                yield Way(composed, precision, last)

    def precision(self) -> AbstractContextManager[object]:
        """A context in which the way's type is used where that is safe."""
        on = self.way.precision == "bfloat16"
        return torch.amp.autocast(self.device.type, torch.bfloat16, enabled=on)

    def placed(self, batch: Batch) -> Batch:
        """The batch in the way's order in memory."""
        return replace(batch, feeds={name: self._ordered(each) for name, each in batch.feeds.items()})

    def fastest(self, step: Callable[[], object], timer: Callable[[], float], patience: float) -> tuple[WayTime, ...]:
        """Take the time of `step`, a step of training without its update, in every way; use the fastest.

        Returns all times, the fastest first. Every way is run once before any is again, so that a slow one does not
        take the time of those behind it; one that is hopeless after a pass is not run again, one that torch cannot go
        here is left out, and none is begun after `patience` seconds but the first. Raises ModelError where none goes.
        """
        found: dict[Way, float] = {}
        why, start = "", timer()
        for way, passes in self._trials(found):
            if found and timer() - start > patience:
                break
            self.use(way)
            try:
                found[way] = min(found.get(way, math.inf), *(self._timed(step, timer) for _ in range(passes)))
            except RuntimeError as error:  # operators without this type, or not enough memory
                found.pop(way, None)
                why = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not found:
            raise ModelError(self.student.network.what, f"it cannot be trained: {why}", "try a smaller --batch")
        times = [WayTime(way, seconds) for way, seconds in found.items()]
        times.sort(key=lambda each: each.seconds)
        self.use(times[0].way)
        return tuple(times)

    def compiled(
        self, step: Callable[[], object], timer: Callable[[], float], times: tuple[WayTime, ...], seconds: float
    ) -> tuple[WayTime, ...]:
        """The `times` with that of the fastest way compiled, if that takes a small share of `seconds`; use the fastest.

        The two are timed one right after the other, other programs may have come or gone since the first time. Where
        torch cannot compile, for want of a compiler or of a kernel, the times are as they were.
        """
        if settings.COMPILING * len(self.student.network.steps) > settings.TRIAL * seconds:
            return times
        plain = times[0].way
        way = msgspec.structs.replace(plain, compiled=True)
        self.use(way)
        try:
            step()
            compiled = WayTime(way, self.seconds(step, timer))
        except RuntimeError:  # torch's own errors are of this kind, also those about compilers
            self.use(plain)
            return times
        self.use(plain)
        again = WayTime(plain, self.seconds(step, timer))
        first, second = sorted((compiled, again), key=lambda each: each.seconds)
        self.use(first.way)
        return (first, second, *times[1:])

    def seconds(self, step: Callable[[], object], timer: Callable[[], float]) -> float:
        """Seconds that a call takes, the shortest of some."""
        return min(self._timed(step, timer) for _ in range(settings.PASSES))

    def _trials(self, found: Mapping[Way, float]) -> Iterator[tuple[Way, int]]:
        """Every way and one pass, then those that are not hopeless by what was `found`, and the other passes."""
        for way in self.ways():
            yield way, 1
        for way in sorted(found, key=found.__getitem__):
            if found[way] < _HOPELESS * min(found.values()):
                yield way, settings.PASSES - 1

    def _timed(self, step: Callable[[], object], timer: Callable[[], float]) -> float:
        self._wait()
        start = timer()
        step()
        self._wait()
        return timer() - start

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _ordered(self, value: Tensor) -> Tensor:
        if value.ndim != 4:
            return value
        return value.contiguous(
            memory_format=torch.channels_last if self.way.channels_last else torch.contiguous_format
        )

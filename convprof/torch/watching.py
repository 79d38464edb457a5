"""Runs a torch model and its converted copy over calibration batches, and gathers what one conv after another sees.

Hooks on a conv take its inputs and outputs; a run ends where the conv has been called for the last time. Every layer
takes a pass of both models over the data, so nothing but the batches is held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from convprof.approximation import Evidence, Gathering, Sampling
from convprof.errors import DataError
from convprof.torch.sites import Conv, Site
from convprof.torch.types import to_numpy

Values = NDArray[Any]
Batch = Tensor | Sequence[Any] | Mapping[str, Any]
"""One call of the model: its input, its positional arguments, or its named ones."""


class _Enough(BaseException):
    """Ends a run in which everything wanted was seen. No error: no `except Exception` of the model may catch it."""


@dataclass(frozen=True)
class Seen:
    """How often a conv is called in each batch, with how many samples in all, and the size of its first output."""

    calls: tuple[int, ...]
    samples: int
    output_size: tuple[int, ...]


@dataclass(frozen=True)
class _Met:
    """One call: in which batch, with how many samples, and the size of what it answered."""

    batch: int
    samples: int
    output_size: tuple[int, ...]


@dataclass(frozen=True)
class _Call:
    """What a conv was called with, (n, M, *input size), and what it answered, (n, N, *output size)."""

    inputs: Values
    output: Values


class Observer:
    """A model in evaluation mode, looked at on the same batches again and again."""

    def __init__(self, model: nn.Module, batches: Sequence[Batch]) -> None:
        """Look at `model`, whose convs may be exchanged meanwhile."""
        self.model = model.eval()
        self._batches = batches
        self._number = 0

    def survey(self, names: Iterable[str]) -> dict[str, Seen]:
        """Those of the convs that are called, in the order in which they first are."""
        met: dict[str, list[_Met]] = {}
        with _removing([self._hook(name, partial(self._meet, met, name)) for name in names]):
            for number, batch in enumerate(self._batches):
                self._number = number
                self._run(batch)
        return {name: self._seen(calls) for name, calls in met.items()}

    def calls(self, name: str, seen: Seen) -> Iterator[list[_Call]]:
        """What the conv is called with and answers, batch by batch."""
        for batch, count in zip(self._batches, seen.calls, strict=True):
            made: list[_Call] = []
            with _removing([self._hook(name, partial(_take, made, count))]), suppress(_Enough):
                if count:
                    self._run(batch)
            yield made

    def _meet(self, met: dict[str, list[_Met]], name: str, inputs: Tensor, output: Tensor) -> None:
        met.setdefault(name, []).append(_Met(self._number, len(inputs), tuple(output.shape[2:])))

    def _seen(self, met: Sequence[_Met]) -> Seen:
        count = Counter(each.batch for each in met)
        calls = tuple(count[number] for number in range(len(self._batches)))
        return Seen(calls, sum(each.samples for each in met), met[0].output_size)

    def _hook(self, name: str, do: Callable[[Tensor, Tensor], None]) -> RemovableHandle:
        conv = cast(Conv, self.model.get_submodule(name))

        def hook(_: nn.Module, args: tuple[Tensor, ...], named: Mapping[str, Tensor], output: Tensor) -> None:
            inputs = args[0] if args else named["input"]
            single = output.ndim < 2 + len(conv.kernel_size)
            do(*((inputs[None], output[None]) if single else (inputs, output)))

        return conv.register_forward_hook(hook, with_kwargs=True)

    @torch.no_grad()
    def _run(self, batch: Batch) -> None:
        if isinstance(batch, Mapping):
            self.model(**batch)
        elif isinstance(batch, (tuple, list)):
            self.model(*batch)
        else:
            self.model(batch)


def gather(site: Site, seen: Seen, seed: int, teacher: Observer, student: Observer) -> Evidence:
    """What the conv sees in the converted copy and should answer there: the original's response.

    Raises DataError where it sees or answers NaN or infinity, and where the copy calls it less often.
    """
    layer = f"layer {site.name!r}"
    sampling = Sampling(layer, site.spec, seen.output_size, seen.samples, seed)
    kernel, bias = site.kernel, site.bias
    converted, original = (Gathering(sampling, kernel, bias, keep=False) for _ in range(2))
    for dense, copied in zip(teacher.calls(site.name, seen), student.calls(site.name, seen), strict=True):
        if [each.inputs.shape for each in dense] != [each.inputs.shape for each in copied]:
            why = f"{layer} is not called with the same sizes once the layers before it are converted"
            raise DataError("the calibration data", why, "name it in `skip`")
        for wanted, shown in zip(dense, copied, strict=True):
            converted.add(shown.inputs, wanted.output)
            if sampling.few:
                original.add_dense(wanted.inputs)
    aside = original if sampling.few else None
    return Evidence(converted.train(aside), converted.held(aside), sampling.few)


def _take(made: list[_Call], count: int, inputs: Tensor, output: Tensor) -> None:
    """Keep what a conv was called with before anybody changes it in place, and end the run with the last call."""
    made.append(_Call(*(np.array(to_numpy(each)) for each in (inputs, output))))
    if len(made) == count:
        raise _Enough


@contextmanager
def _removing(handles: Sequence[RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""An ONNX graph as a torch module: run node by node, trained like any other, and written back into the same graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import index
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convprof.errors import ModelError, UsageError
from convprof.records.network import Network, Step
from convprof.torch.node import Statistics
from convprof.torch.ops import BRANCHING, OPS
from convprof.torch.program import Program
from convprof.torch.specialising import Setting, Shaped, specialise
from convprof.torch.types import to_numpy, to_torch
from convprof.torch.weights import held_constants, mount

_MOST_PROGRAMS = 16
Run = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
Results = Tensor | tuple[Tensor, ...] | dict[str, Tensor]


class Module(nn.Module):
    """A network as a torch module.

    Parameters are the graph's weights, buffers the statistics of its normalisations; `names` gives the ONNX name of
    each. In training mode BatchNormalization uses the batch's statistics and updates its own, unless
    `freeze_statistics` was called, and after `share_statistics` those of all processes; in evaluation mode the module
    computes what ONNX Runtime does. Dropout is the identity in both, as it is in an inference graph.
    """

    def __init__(self, network: Network, blueprint: bytes = b"") -> None:
        """Hold the weights of `network`; `blueprint` is the graph that `save` writes them into.

        Raises ModelError for operators that this room does not have.
        """
        super().__init__()
        _check_operators(network)
        held = held_constants(network)
        names = (*held.parameters, *held.statistics)
        self.network = _without(network, names)
        self.blueprint = blueprint
        self.statistics_frozen = self.statistics_shared = self.training_compiled = False
        self._dtypes = {name: network.constants[name].dtype for name in names}
        self.programs: dict[str, Program] = {}
        self._compiled: dict[str, Run] = {}
        self.names: dict[str, str] = {}
        self._places: dict[str, tuple[nn.Module, str]] = {}
        self.native = _native_type(network, names)
        self._places = mount(self, names)
        for name in held.parameters:
            module, attribute = self._places[name]
            module.register_parameter(attribute, nn.Parameter(to_torch(network.constants[name])))
        for name in held.statistics:
            module, attribute = self._places[name]
            module.register_buffer(attribute, to_torch(network.constants[name]))
        self.names = dict(self._named())

    def forward(self, /, *inputs: Tensor, outputs: Sequence[str] | None = None, **named: Tensor) -> Results:
        """The graph's output, or a tuple of them where it has several.

        Inputs are given in the graph's order, or by name. With `outputs`, a dict of the values of those names: any
        value of the main graph.
        """
        ports = [port.name for port in self.network.inputs]
        if len(inputs) > len(ports):
            raise UsageError(self.network.what, f"{len(inputs)} inputs for a graph that has {len(ports)}", "give fewer")
        feeds = dict(zip(ports, inputs, strict=False)) | named
        if outputs is not None:
            return self.run(feeds, outputs)
        values = tuple(self.run(feeds, self.network.outputs).values())
        return values[0] if len(values) == 1 else values

    def run(self, feeds: Mapping[str, Tensor], outputs: Sequence[str]) -> dict[str, Tensor]:
        """The values called `outputs`, from values of any names: a part of the graph runs where those lie within.

        Raises ModelError where the feeds do not suffice and where an operator does not fit its inputs.
        """
        shaped = tuple((name, tuple(index(n) for n in each.shape), each.dtype) for name, each in feeds.items())
        device, dtype = self._setting(feeds)
        key = _prepared(self, shaped, tuple(outputs), device, dtype, self._statistics())
        program = self.programs[key]
        given = [feeds[name] for name in program.feeds] + [self.value(name) for name in program.weights]
        run = self._compiled_run(key) if self.training_compiled and self.training else program.run
        return dict(zip(outputs, run(given), strict=True))

    def freeze_statistics(self, frozen: bool = True) -> Self:
        """Let BatchNormalization use its own statistics in training mode too, or no longer."""
        self.statistics_frozen = frozen
        return self

    def share_statistics(self, shared: bool = True) -> Self:
        """Let BatchNormalization use the statistics of the batches of all processes of torch.distributed together."""
        self.statistics_shared = shared
        return self

    def compile_training(self, compiled: bool = True) -> Self:
        """In training mode run what torch.compile makes of the network, at its first run; or no longer."""
        self.training_compiled = compiled
        return self

    def rewire(self, network: Network) -> None:
        """From now on run another network over the same weights; `convprof.torch.composing` makes such networks."""
        self.network = network
        self.programs.clear()
        self._compiled.clear()

    def weights(self) -> dict[str, NDArray[Any]]:
        """The parameters and statistics as they are now, by the graph's names and in its types."""
        return {name: to_numpy(self.value(name)).astype(dtype) for name, dtype in self._dtypes.items()}

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the programs, which are made again."""
        return {**self.__dict__, "programs": {}, "_compiled": {}}

    def _named(self) -> Iterator[tuple[str, str]]:
        """Torch's name and ONNX's for each parameter and buffer."""
        prefixes = {id(module): name for name, module in self.named_modules()}
        for name, (module, attribute) in self._places.items():
            yield f"{prefixes[id(module)]}.{attribute}".lstrip("."), name

    def value(self, name: str) -> Tensor:
        """The parameter or statistic of that name in the graph, as it is now."""
        module, attribute = self._places[name]
        value: Tensor = getattr(module, attribute)
        return value

    def _compiled_run(self, key: str) -> Run:
        if key not in self._compiled:
            self._compiled[key] = torch.compile(self.programs[key].run, dynamic=False)
        return self._compiled[key]

    def _statistics(self) -> Statistics:
        if self.statistics_frozen or not self.training:
            return "own"
        return "batches" if self.statistics_shared else "batch"

    def _setting(self, feeds: Mapping[str, Tensor]) -> tuple[torch.device, torch.dtype]:
        """Where and in which type the module is: its first weight's, without weights its first input's."""
        for name in self._places:
            value = self.value(name)
            return value.device, value.dtype
        device = next((each.device for each in feeds.values()), torch.device("cpu"))
        return device, self.native


def _prepared(
    module: Module,
    feeds: tuple[Shaped, ...],
    outputs: tuple[str, ...],
    device: torch.device,
    dtype: torch.dtype,
    statistics: Statistics,
) -> str:
    """Where the module holds the program for feeds of these shapes, which is made when they first come."""
    key = repr((feeds, outputs, device, dtype, statistics))
    if key not in module.programs:
        values = ((name, module.value(name)) for name in module.names.values())
        weights = [(name, tuple(value.shape), value.dtype) for name, value in values]
        setting = Setting(device, (module.native, dtype), statistics)
        # In a thread of its own none of the caller's modes hold: inference, autocast, default device, tracing.
        with ThreadPoolExecutor(1) as thread:
            made = thread.submit(specialise, module.network, feeds, weights, outputs, setting)
            module.programs[key] = made.result()
        if len(module.programs) > _MOST_PROGRAMS:
            oldest = next(iter(module.programs))
            del module.programs[oldest]
            module._compiled.pop(oldest, None)
    return key


# To torch.compile the text is a constant: what lies behind it is not traced, and needs other shapes to change.
_assume_constant: Callable[[object], object] = torch.compiler.assume_constant_result
_assume_constant(_prepared)


def _without(network: Network, names: Sequence[str]) -> Network:
    held = frozenset(names)
    return replace(network, constants={name: each for name, each in network.constants.items() if name not in held})


def _native_type(network: Network, names: Sequence[str]) -> torch.dtype:
    """The type of the first weight, without weights float32."""
    return getattr(torch, network.constants[names[0]].dtype.name) if names else torch.float32


def _check_operators(network: Network) -> None:
    """Raise ModelError with the operators that are not in the table and how many nodes have them."""
    unknown = Counter((step.domain, step.op_type) for step in _all_steps(network.steps) if _is_unknown(step))
    if unknown:
        listed = (f"{domain + '.' if domain else ''}{op} ({count})" for (domain, op), count in sorted(unknown.items()))
        raise ModelError(
            network.what,
            f"cannot be trained: no such operators in torch yet: {', '.join(listed)}",
            "the closed-form fit needs none of them: optimize without --tune",
        )


def _is_unknown(step: Step) -> bool:
    return (step.domain, step.op_type) not in (*OPS, BRANCHING)


def _all_steps(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for graph in step.attributes.values():
            if isinstance(graph, Network):
                yield from _all_steps(graph.steps)

"""Network, shapes of the inputs -> Program.

The network is run once without numbers: on torch's meta device, which computes shapes only. What turns out to depend on
shapes and constants alone is computed for real on the way, on the CPU, and is a constant of the program. So shape
arithmetic costs nothing later, is not differentiated, and never waits for a device.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from convprof.errors import ModelError
from convprof.records.network import Network, Step
from convprof.torch.node import Node, Op, Results, Statistics
from convprof.torch.ops import BRANCHING, OPS
from convprof.torch.program import Call, Program, Slot
from convprof.torch.types import to_torch

_MOST_ELEMENTS = 1 << 31
"""Of one value that is computed from the inputs."""
_MOST_CONSTANTS = 1 << 28
"""Elements of all constants together that are computed in advance."""


_READ = {"Shape": 0, "Size": 0, "EyeLike": 0, "CastLike": 1}
"""How many inputs of an operator have values that it reads; of the others, shape and type are enough."""

Shaped = tuple[str, tuple[int, ...], torch.dtype]
"""A value by its name, shape and type."""


@dataclass(frozen=True)
class Setting:
    """What a program is made for, besides the shapes: where it runs, in which type, on what statistics."""

    device: torch.device
    floats: tuple[torch.dtype, torch.dtype]
    statistics: Statistics


@dataclass(frozen=True)
class _Moving:
    """A value that the inputs decide: its slot, and a tensor without numbers that has its shape and type."""

    slot: Slot
    meta: Tensor


_Known = Tensor | _Moving
_Scope = dict[str, _Known | None]


def specialise(
    network: Network,
    feeds: Sequence[Shaped],
    weights: Sequence[Shaped],
    outputs: Sequence[str],
    setting: Setting,
) -> Program:
    """The program that computes `outputs` from values of the shapes and types of `feeds` and `weights`.

    `feeds` may name any value of the main graph; what lies before it is left out then. Raises ModelError where a shape
    depends on values, where an operator does not fit its inputs, and where a value would be absurdly large.
    """
    fed = [name for name, _, _ in feeds]
    live = _needed(network.steps, {*fed, *(name for name, _, _ in weights), *network.constants}, outputs, network.what)
    read = {name for step in live for name in sources(step)}.union(outputs)
    weights = [weight for weight in weights if weight[0] in read and weight[0] not in fed]
    with torch.no_grad():
        maker = _Maker(network, setting)
        scope: _Scope = {}
        for name, shape, dtype in (*feeds, *weights):
            scope[name] = maker.given(torch.empty(shape, dtype=dtype, device="meta"))
        maker.enter(network, scope, tuple(scope))
        maker.walk(live, scope)
        ends = tuple(maker.end(scope[name]) for name in outputs)
    return Program(tuple(fed), tuple(name for name, _, _ in weights), maker.slots, maker.calls(ends), ends)


def _needed(steps: Sequence[Step], known: Collection[str], outputs: Iterable[str], what: str) -> list[Step]:
    """The steps that the outputs need, in order."""
    wanted, live = {name for name in outputs if name not in known}, []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            wanted.difference_update(step.outputs)
            wanted.update(name for name in sources(step) if name not in known)
            live.append(step)
    if wanted:
        raise ModelError(
            what, f"nothing here makes {min(wanted)!r}", "name values of the main graph, and feed all inputs"
        )
    return live[::-1]


def sources(step: Step) -> set[str]:
    """Names that the step reads, its subgraphs included."""
    names = set(step.inputs) - {""}
    for graph in step.attributes.values():
        if isinstance(graph, Network):
            own = {*graph.constants, *(port.name for port in graph.inputs)}
            own.update(name for inner in graph.steps for name in inner.outputs)
            names |= {name for inner in graph.steps for name in sources(inner)}.union(graph.outputs) - own
    return names


class _Maker:
    """Walks over steps and collects the calls of a program."""

    def __init__(self, network: Network, setting: Setting) -> None:
        self.slots = 0
        self._what = network.what
        self._versions = network.versions
        self._setting = setting
        self._calls: list[Call] = []
        self._constants = 0

    def given(self, meta: Tensor) -> _Moving:
        """A new slot for a value of the shape and type of `meta`."""
        slot = Slot(self.slots)
        self.slots += 1
        return _Moving(slot, meta)

    def enter(self, network: Network, scope: _Scope, given: Collection[str] = ()) -> None:
        """Make the constants of a graph known, but for those that are `given`."""
        for name, array in network.constants.items():
            if name in given:
                continue
            try:
                scope[name] = to_torch(array)
            except TypeError as error:
                why = f"torch has no type for {array.dtype.name}"
                raise ModelError(f"{self._what}: constant {name!r}", why, "use the closed-form fit") from error

    def end(self, value: _Known | None) -> Slot | Tensor:
        """An output of the program."""
        if isinstance(value, _Moving):
            return value.slot
        if value is None:
            raise ModelError(self._what, "an output that nobody computes", "ask for other outputs")
        return self._placed(value)

    def walk(self, steps: Iterable[Step], scope: _Scope) -> None:
        """Compute what is known and note calls for the rest; `scope` then knows the outputs."""
        for step in steps:
            with _Blaming(self._what, step, scope):
                self._take(step, scope)

    def calls(self, ends: Collection[object]) -> tuple[Call, ...]:
        """The calls, each with the slots that nobody reads after it."""
        kept = {end.number for end in ends if isinstance(end, Slot)}
        marked = []
        for call in reversed(self._calls):
            numbers = {each.number for each in call.arguments if isinstance(each, Slot)} | set(call.results) - {-1}
            marked.append(replace(call, last=tuple(sorted(numbers - kept))))
            kept |= numbers
        return tuple(reversed(marked))

    def _take(self, step: Step, scope: _Scope) -> None:
        given = [scope[name] if name else None for name in step.inputs]
        if (step.domain, step.op_type) == BRANCHING:
            results = self._branch(step, given[0], scope)
            scope.update(zip(step.outputs, results, strict=True))
            return
        op = OPS[step.domain, step.op_type]
        node = self._node(step)
        read = given[: _READ.get(step.op_type, len(given))]
        if not any(isinstance(value, _Moving) for value in read):
            results = self._computed(op, node, given)
        else:
            results = self._called(op, node, given)
        scope.update((name, value) for name, value in zip(step.outputs, results, strict=False) if name)

    def _branch(self, step: Step, condition: _Known | None, scope: _Scope) -> list[_Known | None]:
        """Walk the branch of an If that its condition chooses."""
        if not isinstance(condition, Tensor):
            raise ValueError("the condition depends on values of the model's inputs, not on their shapes alone")
        branch = step.attributes["then_branch" if condition.item() else "else_branch"]
        inner = dict(scope)
        self.enter(branch, inner)
        self.walk(branch.steps, inner)
        return [inner[name] for name in branch.outputs]

    def _node(self, step: Step) -> Node:
        wanted = max((i + 1 for i, name in enumerate(step.outputs) if name), default=0)
        version = self._versions.get(step.domain, 1)
        if version < 7 and step.op_type != "Gemm" and "axis" in step.attributes and step.attributes.get("broadcast"):
            raise ValueError("opset 6 and older spread operands by other rules: convert the model to a newer one")
        setting = self._setting
        made = next(iter(step.outputs), "")
        return Node(step.op_type, step.attributes, version, wanted, setting.statistics, setting.floats, made)

    def _computed(self, op: Op, node: Node, given: Sequence[_Known | None]) -> list[_Known | None]:
        """Run the operator now; of values that move it sees the shapes."""
        values = [value.meta if isinstance(value, _Moving) else value for value in given]
        arguments = [_number(value) if i in op.known else value for i, value in enumerate(values)]
        sizes = [each.numel() for each in arguments if isinstance(each, Tensor)]
        if prod(sizes) > _MOST_CONSTANTS or (sizes and op.known):
            # It may be absurdly large: without numbers first.
            metas = [each.to("meta") if isinstance(each, Tensor) else each for each in arguments]
            _check_size(op.kernel(node, *metas), _MOST_CONSTANTS - self._constants)
        results = op.kernel(node, *arguments)
        self._constants += _check_size(results, _MOST_CONSTANTS - self._constants)
        return list(_as_tuple(results))

    def _called(self, op: Op, node: Node, given: Sequence[_Known | None]) -> list[_Known | None]:
        """Note a call, and run the operator without numbers to know the shapes of its results."""
        arguments: list[object] = []
        metas: list[object] = []
        rank = max(value.meta.ndim for value in given if isinstance(value, _Moving))
        for i, value in enumerate(given):
            if isinstance(value, _Moving):
                if i in op.known:
                    raise ValueError(
                        f"input {i} depends on the values of the model's inputs, not on their shapes alone"
                    )
                arguments.append(value.slot)
                metas.append(value.meta)
                continue
            number = i in op.known or (op.scalars and value is not None and value.numel() == 1 and value.ndim <= rank)
            argument = _number(value) if i in op.known else value.item() if number and value is not None else value
            if isinstance(argument, Tensor):
                argument = self._placed(argument)
            arguments.append(argument)
            metas.append(argument.to("meta") if isinstance(argument, Tensor) else argument)
        results = op.kernel(node, *metas)
        _check_size(results, _MOST_ELEMENTS)
        made = [None if tensor is None else self.given(tensor) for tensor in _as_tuple(results)]
        numbers = tuple(-1 if each is None else each.slot.number for each in made)
        self._calls.append(Call(op.kernel, node, tuple(arguments), numbers, ()))
        return list(made)

    def _placed(self, value: Tensor) -> Tensor:
        """A constant as the calls want it: on the device, and in the type that the module was moved to."""
        native, current = self._setting.floats
        return value.to(self._setting.device, current if value.dtype == native else value.dtype)


def _number(value: Tensor | None) -> object:
    """A number, or tuples of numbers."""
    return None if value is None else _frozen(value.tolist())


def _frozen(value: object) -> object:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def _as_tuple(results: Results) -> tuple[Tensor | None, ...]:
    return results if isinstance(results, tuple) else (results,)


def _check_size(results: Results, most: int) -> int:
    """The number of elements; raises ValueError beyond `most`."""
    found = [tensor for tensor in _as_tuple(results) if tensor is not None]
    count = sum(tensor.numel() for tensor in found)
    if count > most:
        raise ValueError(f"results of shape {', '.join(str(list(tensor.shape)) for tensor in found)} are too large")
    return count


class _Blaming:
    """Says of what goes wrong inside which step it was."""

    def __init__(self, what: str, step: Step, scope: _Scope) -> None:
        self._what, self._step, self._scope = what, step, scope

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, ModelError) or not isinstance(error, Exception):
            return
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{self._what}: {self._step.op_type} {self._step.name!r}",
            why,
            "check the shapes of the inputs, and that they have the module's type",
        ) from error

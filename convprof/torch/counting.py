"""What fvcore counts of a network, node by node.

fvcore counts by module, and by operator within one. So the program that a Module runs is run once more with a module of
its own for every call, and fvcore traces that.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convprof.errors import MissingError, ModelError
from convprof.records.cross_check import NodeCount
from convprof.torch.module import Module
from convprof.torch.node import Results
from convprof.torch.program import Call, Program, Slot
from convprof.torch.types import to_torch

if find_spec("fvcore") is None:
    raise MissingError("--cross-check fvcore", "fvcore is not installed", "pip install 'convprof[tune]'")

from fvcore.nn.flop_count import FlopCountAnalysis

VERSION = version("fvcore")


def count(module: Module, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NodeCount]:
    """What fvcore counts of each node that the module runs on `feeds`, by the name of the node's first output.

    Raises ModelError where the module cannot run them or fvcore cannot count what it runs.
    """
    given = {name: to_torch(array) for name, array in feeds.items()}
    with torch.no_grad():
        module.eval()(**given)
    program = next(reversed(module.programs.values()))
    traced = _Traced(program)
    values = [*(given[name] for name in program.feeds), *(module.value(name) for name in program.weights)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            analysis = FlopCountAnalysis(traced, tuple(value.detach() for value in values))
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            found = analysis.by_module_and_operator()
    except Exception as error:  # what it raises for operands that it does not foresee is not foreseeable either
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            module.network.what, f"fvcore cannot count it: {why}", "analyze without --cross-check"
        ) from error
    return {
        call.node.output: NodeCount(
            call.node.op_type,
            {operator: int(value) for operator, value in found[f"calls.{number}"].items()},
            tuple(sorted(analysis.unsupported_ops(f"calls.{number}"))),
        )
        for number, call in enumerate(program.calls)
    }


class _One(nn.Module):
    """One call of a program."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, *arguments: Tensor) -> Results:
        """What the operator makes of the values that its call reads, in their order."""
        values = iter(arguments)
        given = [next(values) if isinstance(each, Slot) else each for each in self.call.arguments]
        return self.call.kernel(self.call.node, *given)


class _Traced(nn.Module):
    """A program as a module of modules."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.calls = nn.ModuleList(map(_One, program.calls))

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """The outputs for the values of the program's feeds and weights."""
        values: dict[int, Tensor] = dict(enumerate(given))
        for call, one in zip(self.program.calls, self.calls, strict=True):
            made = one(*(values[each.number] for each in call.arguments if isinstance(each, Slot)))
            numbered = zip(call.results, made if isinstance(made, tuple) else (made,), strict=False)
            values.update((number, value) for number, value in numbered if number >= 0)
        return tuple(values[each.number] for each in self.program.outputs if isinstance(each, Slot))

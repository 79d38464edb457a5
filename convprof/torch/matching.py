"""Names of a plan's layers -> convs of a torch model.

A plan is made from an ONNX file, whose convs have names of the exporter's making. A layer is the conv

- that has its very name,
- or whose modules it lists: torch's exporter by tracing writes `/layer1/layer1.0/conv1/Conv`, one part for every module
  that was called on the way, a number behind the name in front of it, `conv1_1` for the second call,
- or whose weight it reads in the plan's model, if that file is still there: `layer1.0.conv1.weight`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace
from torch import nn

from convprof import graph
from convprof.errors import ModelError, PlanError
from convprof.records.analysis import ModelFile
from convprof.records.plan import Plan, PlannedLayer

_AGAIN = re.compile(r"_\d+$")
_NEAR = 3

_Path = tuple[tuple[str, bool], ...]
"""What the exporter calls each module on the way to a conv, and whether it leaves that out where nobody calls it."""


def matched(plan: Plan, module: nn.Module, names: Sequence[str]) -> dict[str, PlannedLayer]:
    """Each layer of the plan by the one of `names`, those of the convs of `module`, that it speaks of.

    Raises PlanError for a layer that no conv is or that several may be, and where two layers want different things of
    one conv.
    """
    found: dict[str, PlannedLayer] = {}
    paths = {name: _path(module, name) for name in names}
    weights = _Weights(plan.model)
    for layer in plan.layers:
        fitting = _by_name(layer.name, paths) or [name for name in names if name == weights.owner(layer.name)]
        if len(fitting) != 1:
            raise _unmatched(layer, fitting, paths)
        known = found.setdefault(fitting[0], layer)
        if replace(known, name=layer.name) != layer:
            what = f"plan layers {known.name!r} and {layer.name!r}"
            raise PlanError(what, f"both are the conv {fitting[0]!r}", "let them say the same, or take one out")
    return found


def _by_name(wanted: str, paths: Mapping[str, _Path]) -> list[str]:
    """The convs that have this name, or failing that this path, or failing that are called again under it."""
    if wanted in paths:
        return [wanted]
    root, *parts = wanted.split("/")
    if root or not parts:
        return []
    modules = parts[:-1]
    first = modules and [*modules[:-1], _AGAIN.sub("", modules[-1])]
    listed = ([name for name, path in paths.items() if _lists(path, each)] for each in (modules, first))
    return next(filter(None, listed), [])


def _lists(path: _Path, parts: Sequence[str]) -> bool:
    """Whether `parts` are the path, but for what may be left out."""
    if not path:
        return not parts
    (part, optional), rest = path[0], path[1:]
    return (list(parts[:1]) == [part] and _lists(rest, parts[1:])) or (optional and _lists(rest, parts))


def _path(module: nn.Module, name: str) -> _Path:
    path: list[tuple[str, bool]] = []
    for part in name.split(".") if name else ():
        module = module.get_submodule(part)
        called = f"{path[-1][0]}.{part}" if part.isdigit() and path else part
        path.append((called, isinstance(module, nn.Sequential) or type(module).forward is nn.Module.forward))
    return tuple(path)


class _Weights:
    """Which weight a conv of the plan's model reads; the file is read when that is first asked, if it is there."""

    def __init__(self, file: ModelFile) -> None:
        self._file = file

    def owner(self, name: str) -> str | None:
        """The module whose weight the node called `name` reads, going by the weight's name."""
        read = self._read.get(name, "")
        return read.removesuffix("weight").removesuffix(".") if read.split(".")[-1] == "weight" else None

    @cached_property
    def _read(self) -> Mapping[str, str]:
        try:
            file, program = graph.read(Path(self._file.path))
            steps = graph.describe(program, file.path).steps
        except ModelError:
            return {}
        if self._file.sha256 not in ("", file.sha256):
            return {}
        convs = [step for step in steps if step.op_type == "Conv"]
        return {name: step.inputs[1] for step in convs for name in (step.outputs[0], step.name)}


def _unmatched(layer: PlannedLayer, fitting: Sequence[str], paths: Mapping[str, _Path]) -> PlanError:
    what = f"plan layer {layer.name!r}"
    if fitting:
        return PlanError(what, f"it may be any of {_listed(fitting)}", "give it the name of one of these in the plan")
    spelt = {"/".join(["", *(part for part, _ in path), "Conv"]): name for name, path in paths.items()}
    near = get_close_matches(layer.name, [*spelt, *paths], _NEAR, cutoff=0.4)
    names = list(dict.fromkeys(spelt.get(each, each) for each in near)) or list(paths)[:_NEAR]
    remedy = f"rename it in the plan; near are {_listed(names)}" if names else "the model has no conv"
    return PlanError(what, "no conv of the model has that name", remedy)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))

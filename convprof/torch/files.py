"""A file or a Model as a module, and a module as a file."""

from __future__ import annotations

import os
from pathlib import Path

from convprof import graph
from convprof.files import keep_apart
from convprof.graph import Model
from convprof.torch.module import Module


def load(path: str | os.PathLike[str]) -> Module:
    """The ONNX model at `path` as a torch module, in training mode as torch's own are.

    Raises ModelError for what is no readable ONNX model, and for operators that torch does not have here.
    """
    file, program = graph.read(Path(path))
    return _module(program, file.path)


def from_model(model: Model) -> Module:
    """A model that is open already as a torch module; the model stays as it is."""
    return _module(model.program, model.file.path)


def save(module: Module, path: str | os.PathLike[str]) -> None:
    """Write the graph that the module was loaded from to `path`, with the module's weights in it.

    Names, types, metadata and everything else in the graph stay. Raises OutputError where the place cannot be written
    or is the model's own file, and ModelError where the weights no longer fit the graph.
    """
    what = module.network.what
    keep_apart(Path(path), [Path(what)])
    graph.save_program(graph.filled(module.blueprint, module.weights(), what), Path(path), Path(what))


def _module(program: graph.Program, what: str) -> Module:
    module = Module(graph.describe(program, what))
    module.blueprint = graph.hollow(program, tuple(module.names.values()), what)
    return module

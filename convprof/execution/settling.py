"""A file -> a Model at concrete shapes; what no inference finds is taken from one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convprof import graph, runtime
from convprof.errors import ModelError
from convprof.graph import Model
from convprof.records.analysis import ModelFile, TensorSpec
from convprof.records.remarks import Remark

Values = NDArray[Any]
Sizes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Loaded:
    """A file that was read, and its inputs as declared, before anyone has settled its sizes."""

    file: ModelFile
    program: graph.Program
    inputs: tuple[TensorSpec, ...]


def load(path: Path) -> Loaded:
    """Read the model at `path`; raises ModelError for what is no readable ONNX model."""
    file, program = graph.read(path)
    return Loaded(file, program, graph.declared_inputs(program))


def settle(loaded: Loaded, input_shapes: Sizes, dims: Mapping[str, int], fallback: Sizes) -> Model:
    """The model at concrete shapes: as given, else its own, else `fallback`'s (the data's), batch 1.

    Shapes that inference cannot find are taken from one run. Raises UsageError for names that the model does not have
    and ModelError for sizes that nothing determines.
    """
    what, program = loaded.file.path, loaded.program
    inputs, notices = graph.bind_inputs(program, what, input_shapes, dims, fallback)
    shapes, dtypes = graph.infer(program, inputs)
    model = Model(loaded.file, program, inputs, shapes, dtypes, notices)
    return _with_shapes_from_a_run(model) if graph.needs_probe(program, model.shapes) else model


def example_feeds(inputs: Sequence[TensorSpec], seed: int) -> dict[str, Values]:
    """One feed of random values at the concrete shapes: normal for floats, zeros for everything else."""
    random = np.random.default_rng(seed)
    feeds: dict[str, Values] = {}
    for spec in inputs:
        shape = tuple(size or 1 for size in spec.shape or ())
        dtype = np.dtype(spec.dtype)
        drawn = random.standard_normal(shape) if dtype.kind == "f" else np.zeros(shape)
        feeds[spec.name] = drawn.astype(dtype)
    return feeds


def _with_shapes_from_a_run(model: Model) -> Model:
    probe, names = graph.shape_probe(model.program, model.shapes)
    try:
        session = runtime.open_session(graph.serialized(probe), what=model.file.path)
        values = session.run(example_feeds(model.inputs, seed=0))
    except ModelError as error:
        notice = Remark("shapes-unknown", f"some shapes are unknown: {error.why}")
        return replace(model, notices=(*model.notices, notice))
    seen = {name: tuple(int(size) for size in values[output]) for output, name in names.items()}
    notice = Remark("shapes-from-a-run", f"{len(seen)} shapes were taken from one run of the model")
    return replace(model, shapes={**model.shapes, **seen}, notices=(*model.notices, notice))

"""Writes a program to disk whole or not at all, and says in the file what was done to it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path

import onnx
import onnx_ir as ir

from convprof._version import __version__
from convprof.errors import ModelError, OutputError
from convprof.graph.loading import read
from convprof.graph.model import Model
from convprof.graph.shapes import infer
from convprof.records.plan import Plan

# A protobuf message ends at 2 GB; what is larger goes into one file of external data beside the model.
_LARGEST = 3 << 29
METADATA_KEY = "convprof"
_MOST_FIGURES = 512


Figures = tuple[str, int, int, float | None]
"""A replaced conv by name: its MACs before and after, and the error of its fit where that was measured."""


def save(model: Model, path: Path, plan: Plan, figures: Sequence[Figures] = ()) -> Model:
    """Check the program, write it to `path` with a note on the plan in metadata_props, and return it as a new Model.

    `figures` stand in the note, where viewers of models show them; of very many only the first.

    Raises OutputError where the place cannot be written and ModelError where the result is no valid model.
    """
    program = model.program.clone()
    program.metadata_props[METADATA_KEY] = _note(plan, figures)
    save_program(program, path, Path(model.file.path))
    file, written = read(path)
    shapes, dtypes = infer(written, model.inputs)
    return replace(model, file=file, program=written, shapes=shapes, dtypes=dtypes)


def save_program(program: ir.Model, path: Path, source: Path) -> None:
    """Check the program, which was made from the file `source`, and write it to `path`.

    Raises OutputError where the place cannot be written and ModelError where the program is no valid model.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".convprof-", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            _write(program, temporary)
            _check(temporary, source)
            for part in sorted(temporary.parent.iterdir(), reverse=True):
                part.replace(path.parent / part.name)
    except OSError as error:
        raise OutputError(str(path), error.strerror or str(error), "choose a place that can be written") from error


def serialized(program: ir.Model, what: str = "the model") -> bytes:
    """The program as bytes with all its weights inside; raises ModelError for `what` where one cannot be read."""
    try:
        proto = ir.serde.serialize_model(ir.external_data.load_to_model(program))
    except (OSError, ValueError, ir.serde.SerdeError) as error:
        why = str(error.__cause__ or error).splitlines()[0]
        raise ModelError(what, f"its weights cannot be read: {why}", "check the model and its external data") from error
    return bytes(proto.SerializeToString())


def _note(plan: Plan, figures: Sequence[Figures]) -> str:
    """What was rewritten, by which version, by which plan, and what that did: one line of JSON."""
    note = {
        "version": __version__,
        "source_sha256": plan.model.sha256,
        "layers": [[layer.name, layer.form, list(layer.rank), layer.emission] for layer in plan.layers],
        "figures": [[name, before, after, _short(error)] for name, before, after, error in figures[:_MOST_FIGURES]],
    }
    return json.dumps(note)


def _short(error: float | None) -> float | None:
    """The error in three digits; None for what JSON has no number for."""
    return None if error is None or not isfinite(error) else float(f"{error:.2e}")


def _write(program: ir.Model, path: Path) -> None:
    tensors = [v.const_value for g in program.graphs() for v in g.initializers.values() if v.const_value is not None]
    taken = {str(tensor.location) for tensor in tensors if isinstance(tensor, ir.ExternalTensor)}
    if taken or sum(tensor.nbytes for tensor in tensors) > _LARGEST:
        name = f"{path.name}.data"
        # The original's own data must survive even where it is called as ours would be.
        ir.save(program, path, external_data=f"{path.name}.converted.data" if name in taken else name)
    else:
        path.write_bytes(serialized(program))


def _check(path: Path, source: Path) -> None:
    why = _flaw(path)
    if why is None:
        return
    before = _flaw(source)
    if before is not None:
        raise ModelError(str(source), f"it is not valid ONNX: {before}", "export the model again")
    raise ModelError(path.name, f"the rewritten graph is not valid ONNX: {why}", "a bug in convprof; please report it")


def _flaw(path: Path) -> str | None:
    """What ONNX's own checker has against the file, in one line."""
    try:
        onnx.checker.check_model(path)
    except (onnx.checker.ValidationError, ValueError) as error:
        return str(error).splitlines()[0]
    return None

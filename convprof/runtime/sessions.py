"""Open models: sessions whose failures are one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from convprof.errors import ModelError, UsageError
from convprof.records.analysis import TensorSpec
from convprof.runtime.library import Inference, Value, ort
from convprof.runtime.options import RunOptions, session_options
from convprof.runtime.probe import SessionOptions, read_provider

Feeds = Mapping[str, NDArray[Any]]
"""Arrays by the name of the input that they go to."""


_USUAL = RunOptions()
_NUMPY_NAMES = {"float": "float32", "double": "float64", "string": "object"}
"""ORT's names of element types where they differ from numpy's."""


class Session:
    """An open model. `inputs` have numpy's dtype names and None for symbolic sizes; `outputs` are names in order."""

    def __init__(self, inference: Inference, what: str) -> None:
        self._inference = inference
        self.what = what
        self.inputs: tuple[TensorSpec, ...] = tuple(_spec(value, what) for value in inference.get_inputs())
        self.outputs: tuple[str, ...] = tuple(_spec(value, what).name for value in inference.get_outputs())

    def run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Compute all outputs, by name, from one array an input, of the dtypes and shapes of `inputs`.

        Raises ModelError where onnxruntime refuses the feeds or fails; the reason is its own first line.
        """
        try:
            values = self._inference.run(None, dict(feeds))
        except Exception as error:  # ORT's exceptions share no other base
            raise ModelError(
                self.what, first_line(error), "check the names, dtypes and shapes of the inputs"
            ) from error
        return dict(zip(self.outputs, values, strict=True))


def open_session(model: bytes | Path, options: RunOptions = _USUAL, *, what: str | None = None) -> Session:
    """Open a serialised model, or a file by its path, so that external data beside it is found.

    `what` names the model in errors; without it the path does.

    Raises UsageError where `options` ask for what cannot be had, and ModelError where onnxruntime cannot load the
    model, or an input or output of it is not a tensor.
    """
    name = what or (str(model) if isinstance(model, Path) else "model")
    return Session(open_inference(model, options, session_options(options), name), name)


def _spec(value: Value, what: str) -> TensorSpec:
    """Describe a graph input or output; refuse what is no tensor."""
    tensor = re.fullmatch(r"tensor\((\w+)\)", value.type)
    if tensor is None:
        raise ModelError(what, f"{value.name!r} is a {value.type}, not a tensor", "cut the model off before it")
    dtype = _NUMPY_NAMES.get(tensor[1], tensor[1])
    return TensorSpec(value.name, dtype, tuple(size if isinstance(size, int) else None for size in value.shape))


def open_inference(model: bytes | Path, options: RunOptions, session_options: SessionOptions, what: str) -> Inference:
    """ORT's session, on exactly the providers asked for."""
    providers = _providers(options)
    try:
        source = str(model) if isinstance(model, Path) else model
        inference = ort().InferenceSession(source, session_options, providers=providers)
    except Exception as error:  # ORT's exceptions share no other base
        raise ModelError(what, first_line(error), "check that it is a valid ONNX model") from error
    # ORT falls back to the CPU without a word where a provider's libraries cannot be loaded.
    for name, _ in providers:
        if name not in inference.get_providers():
            raise UsageError("provider", f"{name} did not start", "install the libraries that it needs")
    return inference


def _providers(options: RunOptions) -> list[tuple[str, dict[str, str]]]:
    """Names and options of the providers; raises UsageError for what is no provider here."""
    try:
        providers = [read_provider(text) for text in options.providers]
    except ValueError as error:
        raise UsageError("provider", str(error), "as in CUDAExecutionProvider:device_id=0") from error
    available = ort().get_available_providers()
    for name, _ in providers:
        if name not in available:
            raise UsageError("provider", f"{name} is not in this onnxruntime", f"available are: {', '.join(available)}")
    return providers


def first_line(error: Exception) -> str:
    """Why ORT failed: the first line of its message, without the number and name of the status."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0])

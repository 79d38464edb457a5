"""onnxruntime, imported when first needed, and the part of it that is used: it ships no types."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from convprof.runtime.probe import SessionOptions


class Value(Protocol):
    """An input or output of a session."""

    name: str
    type: str
    shape: list[int | str | None]


class Inference(Protocol):
    """An InferenceSession."""

    def get_inputs(self) -> list[Value]:
        """List what goes in."""

    def get_outputs(self) -> list[Value]:
        """List what comes out."""

    def get_providers(self) -> list[str]:
        """Name the providers that it runs on."""

    def run(self, output_names: None, input_feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Compute all outputs, in order."""

    def end_profiling(self) -> str:
        """Close the trace and name its file."""


class Opens(Protocol):
    """The constructor of an InferenceSession."""

    def __call__(
        self, model: bytes | str, options: SessionOptions, /, *, providers: list[tuple[str, dict[str, str]]]
    ) -> Inference:
        """Open a serialised model or a file."""


class OnnxRuntime(Protocol):
    """What is used of onnxruntime, which ships no types."""

    __version__: str
    SessionOptions: Callable[[], SessionOptions]
    InferenceSession: Opens

    def get_available_providers(self) -> list[str]:
        """Name the providers that this build has."""


os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read while onnxruntime is being imported


def ort() -> OnnxRuntime:
    """Import onnxruntime when it is first needed: much of what convprof does never needs it."""
    import onnxruntime

    return cast(OnnxRuntime, onnxruntime)

"""The only room that imports onnxruntime: sessions whose failures are one line, profiles, and where they ran."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from convprof._version import __version__
from convprof.errors import ModelError, UsageError
from convprof.records.analysis import TensorSpec
from convprof.records.benchmark import Environment

Feeds = Mapping[str, NDArray[Any]]
"""Arrays by the name of the input that they go to."""


class _Value(Protocol):
    name: str
    type: str
    shape: list[int | str | None]


class _Inference(Protocol):
    def get_inputs(self) -> list[_Value]: ...
    def get_outputs(self) -> list[_Value]: ...
    def get_providers(self) -> list[str]: ...
    def run(self, output_names: None, input_feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]: ...
    def end_profiling(self) -> str: ...


class _SessionOptions(Protocol):
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int
    enable_profiling: bool
    profile_file_prefix: str

    def add_session_config_entry(self, key: str, value: str) -> None: ...


class _Opens(Protocol):
    def __call__(self, model: bytes | str, options: _SessionOptions, /, *, providers: list[str]) -> _Inference: ...


class _OnnxRuntime(Protocol):
    """What is used of onnxruntime, which ships no types."""

    __version__: str
    SessionOptions: Callable[[], _SessionOptions]
    InferenceSession: _Opens

    def get_available_providers(self) -> list[str]: ...


os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read while onnxruntime is being imported


def _ort() -> _OnnxRuntime:
    """Import onnxruntime when it is first needed: much of what convprof does never needs it."""
    import onnxruntime

    return cast(_OnnxRuntime, onnxruntime)


_SILENT = 4
"""ORT's severity "fatal": what goes wrong reaches us as an exception, so nothing has to be printed."""

_NUMPY_NAMES = {"float": "float32", "double": "float64", "string": "object"}
"""ORT's names of element types where they differ from numpy's."""


@dataclass(frozen=True)
class RunOptions:
    """How models are run: `threads` within an operator (operators run one by one), `providers` by preference."""

    threads: int = 1
    providers: tuple[str, ...] = ("CPUExecutionProvider",)


class Session:
    """An open model. `inputs` have numpy's dtype names and None for symbolic sizes; `outputs` are names in order."""

    def __init__(self, inference: _Inference, what: str) -> None:
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
                self.what, _first_line(error), "check the names, dtypes and shapes of the inputs"
            ) from error
        return dict(zip(self.outputs, values, strict=True))


def open_session(model: bytes | Path, options: RunOptions = RunOptions(), *, what: str | None = None) -> Session:
    """Open a serialised model, or a file by its path, so that external data beside it is found.

    `what` names the model in errors; without it the path does.

    Raises UsageError where `options` ask for a provider that is not there or for less than one thread, and
    ModelError where onnxruntime cannot load the model, or an input or output of it is not a tensor.
    """
    name = what or (str(model) if isinstance(model, Path) else "model")
    return Session(_open(model, options, _session_options(options), name), name)


def environment(options: RunOptions) -> Environment:
    """Describe this machine, the versions in use, and the threads and providers asked for."""
    return Environment(
        cpu=_cpu_name(),
        cores=available_cores(),
        threads=options.threads,
        providers=options.providers,
        onnxruntime=_ort().__version__,
        os=platform.platform(),
        python=platform.python_version(),
        numpy=np.__version__,
        convprof=__version__,
    )


def available_cores() -> int:
    """Count the logical cores that this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def profile_nodes(model: Path, feeds: Feeds, options: RunOptions, runs: int) -> dict[str, float]:
    """Median milliseconds over `runs` runs, by node name of the graph as onnxruntime optimised it.

    Nodes of the same name are summed within a run. A run before the first one, which packs weights and grows the
    arena, is not counted. Names differ from the model's: see `layer_times`.

    Raises UsageError where `runs` is below 1, and otherwise as `open_session` and `Session.run` do.
    """
    if runs < 1:
        raise UsageError("runs", f"{runs} runs leave nothing to profile", "ask for 1 or more")
    with tempfile.TemporaryDirectory(prefix="convprof-profile-") as folder:
        session_options = _session_options(options)
        session_options.enable_profiling = True
        session_options.profile_file_prefix = str(Path(folder, "trace"))
        inference = _open(model, options, session_options, str(model))
        session = Session(inference, str(model))
        for _ in range(runs + 1):
            session.run(feeds)
        trace = json.loads(Path(inference.end_profiling()).read_bytes())
    return _median_times(list(_times_of_runs(trace))[1:])


def layer_times(
    node_times: Mapping[str, float], layers: Sequence[str], owners: Mapping[str, str] = MappingProxyType({})
) -> dict[str, float]:
    """Milliseconds by layer of the original model; what belongs to none stands under "", so the sum is kept.

    onnxruntime runs a Conv under one of two names: the node's own (also after it absorbed an activation), or, in the
    blocked layout, the *tensor* that it writes followed by `_nchwc`; and that tensor is the output of the last node
    it absorbed before the layout changed, `relu_4_nchwc` for conv_3 + relu_4. No rule on names can see that, so
    `owners` says which layer a tensor belongs to: for each conv its output, and from there on the output of each
    element-wise node (activation, BatchNormalization, Mul, Add, Identity) that is the only reader of the one before.

    Without `owners` a name belongs to the longest layer name L for which it is L, L's output as torch exports it
    (`L_output_0`), or one of the nodes that replace L (`L/convprof/...`). Reorders of the layout belong to no layer.
    """
    known = {layer: layer for layer in layers} | dict(owners)
    times = dict.fromkeys(layers, 0.0) | {"": 0.0}
    for name, milliseconds in node_times.items():
        layer = _layer_of(name, known)
        times[layer] = times.get(layer, 0.0) + milliseconds
    return times


def _layer_of(node: str, known: Mapping[str, str]) -> str:
    """Find the layer that a node of the optimised graph belongs to, or ""."""
    bare = _DECORATION.sub("", node)
    for name in (node, bare):
        if name in known:
            return known[name]
    stems = [stem for stem in known if stem and bare.startswith(stem) and _REST.fullmatch(bare, len(stem))]
    return known[max(stems, key=len)] if stems else ""


_DECORATION = re.compile(r"(_nchwc|_token_\d+)+$")
"""What ORT appends: the blocked layout, and the number that makes a generated name unique."""

_REST = re.compile(r"_output_\d+|/convprof/.+")


def _spec(value: _Value, what: str) -> TensorSpec:
    """Describe a graph input or output; refuse what is no tensor."""
    tensor = re.fullmatch(r"tensor\((\w+)\)", value.type)
    if tensor is None:
        raise ModelError(what, f"{value.name!r} is a {value.type}, not a tensor", "cut the model off before it")
    dtype = _NUMPY_NAMES.get(tensor[1], tensor[1])
    return TensorSpec(value.name, dtype, tuple(size if isinstance(size, int) else None for size in value.shape))


def _session_options(options: RunOptions) -> _SessionOptions:
    """ORT's options for ours."""
    if options.threads < 1:
        raise UsageError("threads", f"{options.threads} threads cannot run anything", "ask for 1 or more")
    made = _ort().SessionOptions()
    made.intra_op_num_threads = options.threads
    made.inter_op_num_threads = 1
    made.log_severity_level = _SILENT
    # The threads of a session that has just run would spin on, and take time from the one that runs next.
    made.add_session_config_entry("session.force_spinning_stop", "1")
    return made


def _open(model: bytes | Path, options: RunOptions, session_options: _SessionOptions, what: str) -> _Inference:
    """ORT's session, on exactly the providers asked for."""
    available = _ort().get_available_providers()
    for provider in options.providers:
        if provider not in available:
            raise UsageError(
                "provider", f"{provider} is not in this onnxruntime", f"available are: {', '.join(available)}"
            )
    try:
        source = str(model) if isinstance(model, Path) else model
        inference = _ort().InferenceSession(source, session_options, providers=list(options.providers))
    except Exception as error:  # ORT's exceptions share no other base
        raise ModelError(what, _first_line(error), "check that it is a valid ONNX model") from error
    # ORT falls back to the CPU without a word where a provider's libraries cannot be loaded.
    for provider in options.providers:
        if provider not in inference.get_providers():
            raise UsageError("provider", f"{provider} did not start", "install the libraries that it needs")
    return inference


def _first_line(error: Exception) -> str:
    """Why ORT failed: the first line of its message, without the number and name of the status."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0])


_CONTAINERS = ("If", "Loop", "Scan")
"""Their time is that of the nodes inside, which the trace lists as well."""


def _times_of_runs(trace: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, float]]:
    """For each run in ORT's trace the milliseconds by node; a run ends with its `model_run` event."""
    times: defaultdict[str, float] = defaultdict(float)
    for event in trace:
        name = str(event["name"])
        if name == "model_run":
            yield dict(times)
            times.clear()
        elif _is_kernel(event):
            times[name.removesuffix("_kernel_time")] += event["dur"] / 1000


def _is_kernel(event: Mapping[str, Any]) -> bool:
    """Tell whether the event is the work of one node, and not of the nodes inside it."""
    return (
        event.get("cat") == "Node"
        and str(event["name"]).endswith("_kernel_time")
        and event["args"].get("op_name") not in _CONTAINERS
    )


def _median_times(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median by name over the runs; a node that a run does not reach took 0 there."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: float(np.median([run.get(name, 0.0) for run in runs])) for name in names}


def _cpu_name() -> str:
    """Read the processor's name, as the system knows it."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8", errors="replace") if listing.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()

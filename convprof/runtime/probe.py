"""Measures models one after another, round by round: here, and as a program of its own on another machine.

    python probe.py [--threads N] [--provider NAME[:KEY=VALUE,...]] [-o latency.json]

It needs onnxruntime, numpy and the standard library, and beside it the `manifest.json`, `feeds.npz` and models that it
was packed with. In each round every model is opened, run and closed again, in random order: what slows the machine
down for a while is spread over all models, and no more than one model is in memory. A model runs first with
onnxruntime's own profile, then without. What comes out are times of nodes and of whole runs in ms, by round; which
layer a node belongs to is decided by who reads the file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

_CONTAINERS = ("If", "Loop", "Scan")
"""Their time is that of the nodes inside, which the trace lists as well."""
_WARM_UPS = 2
SILENT = 4
"""Severity "fatal": what goes wrong is raised, so nothing has to be printed."""

Feeds = Mapping[str, NDArray[Any]]


class SessionOptions(Protocol):
    """How a session is to run."""

    intra_op_num_threads: int
    inter_op_num_threads: int
    execution_mode: object
    graph_optimization_level: object
    log_severity_level: int
    enable_profiling: bool
    profile_file_prefix: str

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Set an option that has no attribute."""


class Session(Protocol):
    """An InferenceSession."""

    def get_providers(self) -> list[str]:
        """Name the providers that it runs on."""

    def run(self, output_names: None, input_feed: dict[str, NDArray[Any]]) -> object:
        """Compute all outputs."""

    def end_profiling(self) -> str:
        """Close the trace and name its file."""


class OnnxRuntime(Protocol):
    """What is used of onnxruntime, which ships no types."""

    __version__: str
    SessionOptions: Callable[[], SessionOptions]
    InferenceSession: Callable[..., Session]


Opener = Callable[[Path, str | None], Session]
"""Opens the model at a path, with a profile where a prefix for the name of its trace is given."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: `rounds`, but no new one beyond `least` after `seconds`.

    In each round a model runs for about `visit` seconds with a profile, `fewest` to `most` times (twice at least where
    `fewest` would take more than `longest` seconds), and then half as often without.
    """

    rounds: int = 5
    least: int = 2
    seconds: float = 100.0
    visit: float = 0.12
    longest: float = 1.0
    fewest: int = 6
    most: int = 40


def measure(
    models: Sequence[tuple[str, Path]],
    feeds: Feeds,
    opened: Opener,
    effort: Effort,
    seed: int,
    timer: Callable[[], float],
    progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """Time `models`, (label, path) each, on one array an input.

    Returns for each its `label`, `end_to_end` (ms of a run in each round, as of `fast_mean`) and `nodes` as of
    `nodes_of`, with one entry a round in `ms`. `timer` counts seconds; `progress` gets the visits made and the most
    that there will be.
    """
    generator = np.random.default_rng(seed)
    start, rounds = timer(), 0
    visits: list[list[tuple[float, list[dict[str, Any]]]]] = [[] for _ in models]
    while rounds < effort.rounds and (rounds < effort.least or timer() - start < effort.seconds):
        for done, place in enumerate(generator.permutation(len(models)), 1):
            visits[place].append(_visit(models[place][1], feeds, opened, effort, timer))
            progress(rounds * len(models) + done, effort.rounds * len(models))
        rounds += 1
    return [
        {"label": label, "end_to_end": [time for time, _ in seen], "nodes": _joined([nodes for _, nodes in seen])}
        for (label, _), seen in zip(models, visits, strict=True)
    ]


def nodes_of(trace: Sequence[Mapping[str, Any]], skipped: int) -> list[dict[str, Any]]:
    """The nodes of the graph as onnxruntime optimised it, in the order they ran, from its trace.

    For each its `name`, `op`, `provider`, the shapes that it `reads` and `writes`, and in `ms` one number as of
    `fast_mean`. Nodes of the same name are summed within a run, one that a run does not reach took 0 there. The first
    `skipped` runs, which pack weights and grow the arena, do not count.
    """
    runs = list(_runs(trace))[skipped:]
    first: dict[str, Mapping[str, Any]] = {}
    times: dict[str, list[float]] = {}
    for number, events in enumerate(runs):
        for event in events:
            name = str(event["name"]).removesuffix("_kernel_time")
            first.setdefault(name, event["args"])
            times.setdefault(name, [0.0] * len(runs))[number] += event["dur"] / 1000
    return [
        {
            "name": name,
            "op": str(about.get("op_name", "")),
            "provider": str(about.get("provider", "")),
            "reads": _shapes(about.get("input_type_shape")),
            "writes": _shapes(about.get("output_type_shape")),
            "ms": [fast_mean(times[name])],
        }
        for name, about in first.items()
    ]


def fast_mean(times: Sequence[float]) -> float:
    """The mean of the faster half of the times.

    What else the machine does only ever makes a time longer, and a busy machine does so to more than a few runs. A
    median would jump: the clock of the trace counts whole microseconds, which is what a small node takes.
    """
    return float(np.mean(sorted(times)[: (len(times) + 1) // 2]))


def configure(made: SessionOptions, threads: int, trace: str | None) -> None:
    """Set `threads` within an operator, and a profile where a prefix for the name of its trace is given."""
    made.intra_op_num_threads = threads
    made.inter_op_num_threads = 1
    made.log_severity_level = SILENT
    # The threads of a session that has just run would spin on, and take time from the one that runs next.
    made.add_session_config_entry("session.force_spinning_stop", "1")
    if trace is not None:
        made.enable_profiling = True
        made.profile_file_prefix = trace


def read_provider(text: str) -> tuple[str, dict[str, str]]:
    """A provider's name and options from NAME or NAME:KEY=VALUE,KEY=VALUE; raises ValueError for anything else."""
    name, colon, rest = text.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",")] if colon else []
    options = {key.strip(): value.strip() for key, _, value in pairs}
    if not name.isidentifier() or not all(options) or any(not sign for _, sign, _ in pairs):
        raise ValueError(f"{text!r} is not NAME or NAME:KEY=VALUE,KEY=VALUE")
    return name, options


def surroundings(onnxruntime: str, threads: int, providers: Sequence[str]) -> dict[str, Any]:
    """Tell of the machine, the versions in use, and the threads and providers asked for."""
    return {
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "threads": threads,
        "providers": list(providers),
        "onnxruntime": onnxruntime,
        "os": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def available_cores() -> int:
    """Count the logical cores that this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    """Read the processor's name, as the system knows it."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8", errors="replace") if listing.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _visit(
    path: Path, feeds: Feeds, opened: Opener, effort: Effort, timer: Callable[[], float]
) -> tuple[float, list[dict[str, Any]]]:
    """Open a model, run it with and then without its profile, and close it: ms of a run, and its nodes."""
    with tempfile.TemporaryDirectory(prefix="convprof-profile-") as folder:
        session = opened(path, str(Path(folder, "trace")))
        warm = [_seconds(session, feeds, timer) for _ in range(_WARM_UPS)][-1]
        runs = _runs_of(effort, max(warm, 1e-6))
        for _ in range(runs):
            session.run(None, dict(feeds))
        trace = json.loads(Path(session.end_profiling()).read_bytes())
    seconds = [_seconds(session, feeds, timer) for _ in range((runs + 1) // 2)]
    return 1000 * fast_mean(seconds), nodes_of(trace, _WARM_UPS)


def _runs_of(effort: Effort, seconds: float) -> int:
    """How often to run a model that takes so many seconds."""
    fewest = min(effort.fewest, max(int(effort.longest / seconds), 2))
    return min(max(int(effort.visit / seconds), fewest), effort.most)


def _seconds(session: Session, feeds: Feeds, timer: Callable[[], float]) -> float:
    start = timer()
    session.run(None, dict(feeds))
    return timer() - start


def _runs(trace: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The events of nodes at work, run by run; a run ends with its `model_run` event."""
    events: list[Mapping[str, Any]] = []
    for event in trace:
        if event["name"] == "model_run":
            yield events
            events = []
        elif _is_kernel(event):
            events.append(event)


def _is_kernel(event: Mapping[str, Any]) -> bool:
    """Tell whether the event is the work of one node, and not of the nodes inside it."""
    return (
        event.get("cat") == "Node"
        and str(event["name"]).endswith("_kernel_time")
        and event["args"].get("op_name") not in _CONTAINERS
    )


def _shapes(entries: Sequence[Mapping[str, Sequence[int]]] | None) -> list[list[int]]:
    """From [{"float": [1, 3]}, ...] to the shapes alone."""
    return [list(shape) for entry in entries or () for shape in entry.values()]


def _joined(rounds: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The nodes of all rounds, each with its times in all of them."""
    found: dict[str, dict[str, Any]] = {}
    for number, nodes in enumerate(rounds):
        for node in nodes:
            kept = found.setdefault(node["name"], {**node, "ms": [0.0] * len(rounds)})
            kept["ms"][number] = node["ms"][0]
    return list(found.values())


def main() -> None:
    """Measure the models beside this file and write what was found."""
    from time import perf_counter

    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Measure the models beside this file.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--provider", action="append", help="NAME or NAME:KEY=VALUE,KEY=VALUE; repeatable")
    parser.add_argument("--rounds", type=int, default=Effort.rounds)
    parser.add_argument("--seconds", type=float, default=600.0, help="no new round after so many")
    parser.add_argument("-o", "--output", type=Path, default=Path("latency.json"))
    chosen = parser.parse_args()
    import onnxruntime

    runtime = cast(OnnxRuntime, onnxruntime)
    texts = chosen.provider or ["CPUExecutionProvider"]
    providers = [read_provider(text) for text in texts]
    manifest = json.loads((here / "manifest.json").read_text(encoding="utf-8"))
    with np.load(here / "feeds.npz", allow_pickle=False) as file:
        feeds = {tensor["name"]: file[str(number)] for number, tensor in enumerate(manifest["inputs"])}

    def opened(path: Path, trace: str | None) -> Session:
        made = runtime.SessionOptions()
        configure(made, chosen.threads, trace)
        session = runtime.InferenceSession(str(path), made, providers=providers)
        # onnxruntime falls back to the CPU without a word where a provider's libraries cannot be loaded.
        missing = {name for name, _ in providers} - set(session.get_providers())
        if missing:
            sys.exit(f"probe: {', '.join(sorted(missing))} did not start")
        return session

    times = measure(
        [(model["label"], here / model["file"]) for model in manifest["models"]],
        feeds,
        opened,
        Effort(rounds=chosen.rounds, seconds=chosen.seconds),
        seed=0,
        timer=perf_counter,
        progress=lambda done, total: _tell(f"\rvisit {done} of at most {total}"),
    )
    _tell("\n")
    where = {**surroundings(runtime.__version__, chosen.threads, texts), "convprof": manifest["convprof"]}
    found = {"schema": "convprof.probe-times/1", "probes": manifest, "environment": where, "times": times}
    temporary = chosen.output.with_name(chosen.output.name + ".part")
    temporary.write_text(json.dumps(found), encoding="utf-8")
    temporary.replace(chosen.output)


def _tell(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    main()

"""A fit of one model in a process of its own, for benchmarks/fits/speed.py: what it takes, and where that goes.

    python benchmarks/fits/timing.py MODEL INPUTS RANK FOLDER

Prints JSON: processor seconds of the fit, of its parts and of one forward pass of the original and of the converted
network over the same inputs, and the largest memory of the process while it fitted.
"""

from __future__ import annotations

import cProfile
import json
import sys
import time
from pathlib import Path
from types import CodeType, MappingProxyType

import numpy as np

from convprof import analysis, execution, fitting, planning, rewriting, runtime
from convprof.data import Batches, open_data
from convprof.graph import Model
from convprof.holding import DEFAULT_BUDGET, Store
from convprof.records.factors import FittedConv
from convprof.records.plan import Plan

_PARTS = MappingProxyType(
    {
        "running both networks": (("runtime/sessions.py", "run"),),
        "cutting and opening them": (
            ("runtime/sessions.py", "open_session"),
            ("segments.py", "segment"),
            ("segments.py", "glance"),
            ("segments.py", "forget"),
        ),
        "gathering moments": (
            ("moments.py", "add"),
            ("moments.py", "add_inputs"),
            ("moments.py", "moments"),
            ("moments.py", "rows"),
        ),
        "closed form": (("choosing.py", "closed_form"),),
        "behind activations": (("choosing.py", "refined"),),
        "judging": (("choosing.py", "error"),),
    }
)
"""Functions, by file and name, whose times are added up; none of them calls another."""


def main(path: Path, count: int, rank: int, folder: Path) -> None:
    """Fit, run and print."""
    loaded = execution.load(path)
    inputs = open_data(str(smooth(loaded.inputs[0].shape or (), count, folder)), loaded.inputs)
    model = execution.settle(loaded, {}, {}, inputs.shapes)
    counted = analysis.analyze(model, max_rank=0)
    convs = planning.select(counted, (), (counted.convs[0].name,))
    plan = planning.uniform(counted, convs, "depthwise-pointwise", (rank,), None)
    prepared = rewriting.prepare(model, plan)
    fitted, seconds, profile = _fit(prepared, plan, inputs, folder)
    peak = _peak()
    rewriting.rewrite(prepared, plan, fitted, folder / "converted.onnx")
    passes = [_forward(each, model, inputs) for each in (path, folder / "converted.onnx")]
    found = {"fit": seconds, "original": passes[0], "converted": passes[1], "megabytes": peak}
    print(json.dumps({**found, "layers": len(fitted), "parts": _parts(profile), "inputs": inputs.count}))


def smooth(shape: tuple[int | None, ...], count: int, folder: Path) -> Path:
    """Noise at a few scales added up: neighbours alike, as in pictures."""
    random = np.random.default_rng(0)
    channels, height, width = (size or 1 for size in shape[1:])
    pictures = np.zeros((count, channels, height, width), np.float32)
    for scale in (1, 4, 16, 56):
        small = random.standard_normal((count, channels, -(-height // scale), -(-width // scale)), dtype=np.float32)
        large = small.repeat(scale, axis=2).repeat(scale, axis=3)[:, :, :height, :width]
        pictures += np.float32(scale**0.5 / 4) * large
    path = folder / "smooth.npy"
    np.save(path, pictures, allow_pickle=False)
    return path


def _fit(
    model: Model, plan: Plan, inputs: Batches, folder: Path
) -> tuple[tuple[FittedConv, ...], float, cProfile.Profile]:
    """The fit, its processor seconds and its profile, which takes a few per cent of them."""
    profile = cProfile.Profile(time.process_time)
    with Store(DEFAULT_BUDGET, folder) as store:
        start = time.process_time()
        fitted = profile.runcall(fitting.fit, model, plan, inputs, options=runtime.RunOptions(), seed=0, store=store)
        seconds = time.process_time() - start
    return fitted, seconds, profile


def _parts(profile: cProfile.Profile) -> dict[str, float]:
    """Seconds of each of the parts."""
    spent = dict.fromkeys(_PARTS, 0.0)
    for entry in profile.getstats():
        if isinstance(entry.code, CodeType):
            function = Path(entry.code.co_filename).name, entry.code.co_name
            for part in (part for part, functions in _PARTS.items() if function in functions):
                spent[part] += entry.totaltime
    return spent


def _forward(path: Path, model: Model, inputs: Batches) -> float:
    """Processor seconds of one run over all inputs."""
    session = runtime.open_session(path, runtime.RunOptions())
    spent = 0.0
    for feeds in execution.chunks(model, inputs):
        start = time.process_time()
        session.run(feeds)
        spent += time.process_time() - start
    return spent


def _peak() -> float:
    """The largest memory of this process so far, MB: Linux's own mark, which no parent process is part of."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))

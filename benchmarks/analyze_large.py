"""Claim: analysing a 550 MB model takes half the time and a tenth of the memory of onnx-tool.

Writes VGG16 with random weights (553 MB, all in one file) into a temporary folder, then analyses it with
`python -m convprof analyze` (as it is, and with --max-rank 0, which leaves the weights unread) and with
`python -m onnx_tool`, each in a fresh process, in random order within each round. Wall time and peak resident memory
are those of the process, from wait4. A last process says where convprof's time goes.

    python benchmarks/analyze_large.py [--rounds 5]

About a minute and a half.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# This process must stay small: a child's peak includes what its parent held at the moment of the fork. All that
# needs numpy or onnx happens in processes of its own (large_model.py, parts.py).
import parts
from writing import Page, parser

_HERE = Path(__file__).resolve().parent
_REFERENCE, _MAIN, _LIGHT = "onnx-tool", "convprof analyze", "convprof analyze --max-rank 0"


@dataclass(frozen=True)
class Sample:
    """One process: seconds from start to end, and the most memory that it held, in MB (10^6 bytes)."""

    what: str
    round: int
    seconds: float
    megabytes: float


def main() -> int:
    """Measure, break down, write the page."""
    made = parser(__doc__)
    made.add_argument("--rounds", type=int, default=5, help="processes of each kind (5)")
    made.add_argument("--seed", type=int, default=0, help="for the weights and the order (0)")
    options = made.parse_args()
    page = Page(
        "analyze_large",
        "Analysing a 550 MB model",
        "`convprof analyze` needs half the time and a tenth of the memory of onnx-tool 1.0.1 on the same file.",
        "python benchmarks/analyze_large.py",
        facts={"seed": options.seed, "n": f"{options.rounds} fresh processes each, order random within a round"},
    )
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "vgg16.onnx"
        subprocess.run([sys.executable, _HERE / "large_model.py", model, str(options.seed)], check=True)
        size = model.stat().st_size
        samples = _measure(model, Path(folder), options.rounds, options.seed)
        steps = parts.measure(model)
    _tell(page, samples, size)
    page.say("## Where convprof's time goes")
    page.say(
        "One process, step by step; some steps hold others, as they say. The energies read every convolution's weights."
    )
    page.table(("step", "seconds"), ((name, f"{seconds:.2f}") for name, seconds in steps))
    page.raw |= {"bytes": size, "samples": [asdict(sample) for sample in samples], "steps": dict(steps)}
    page.write(options.output, ("onnx", "onnx-ir", "onnx-tool", "numpy"))
    return 0


def _commands(model: Path, folder: Path) -> dict[str, list[str]]:
    convprof = [sys.executable, "-m", "convprof", "analyze", str(model), "--format", "json"]
    return {
        _MAIN: convprof,
        _LIGHT: [*convprof, "--max-rank", "0"],
        _REFERENCE: [sys.executable, "-m", "onnx_tool", "-m", "profile", "-i", str(model), "-f", str(folder / "t.txt")],
    }


def _measure(model: Path, folder: Path, rounds: int, seed: int) -> list[Sample]:
    commands = list(_commands(model, folder).items())
    order = random.Random(seed)
    samples = []
    for number in range(rounds + 1):
        order.shuffle(commands)
        for what, command in commands:
            sample = _run(what, number, command)
            # The first round warms the file system's cache for all alike and is not kept.
            if number:
                samples.append(sample)
            print(f"{number}: {what}: {sample.seconds:.2f} s, {sample.megabytes:.0f} MB", file=sys.stderr)
    return samples


def _run(what: str, number: int, command: Sequence[str]) -> Sample:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{what} failed with {process.returncode}: {said.decode()[-500:]}")
    return Sample(what, number, seconds, usage.ru_maxrss * 1024 / 1e6)


def _tell(page: Page, samples: list[Sample], size: int) -> None:
    kinds = (_MAIN, _LIGHT, _REFERENCE)
    seconds = {kind: [s.seconds for s in samples if s.what == kind] for kind in kinds}
    memory = {kind: max(s.megabytes for s in samples if s.what == kind) for kind in kinds}
    base = statistics.median(seconds[_REFERENCE])
    page.say(f"The file has {size:,} bytes and is in the file system's cache.")
    rows = []
    for kind in kinds:
        middle = statistics.median(seconds[kind])
        spread = f"{min(seconds[kind]):.2f}-{max(seconds[kind]):.2f}"
        shares = f"{middle / base:.2f}", f"{memory[kind] / memory[_REFERENCE]:.3f}"
        rows.append((kind, f"{middle:.2f}", spread, shares[0], f"{memory[kind]:,.0f}", shares[1]))
    page.table(("what", "median s", "range s", "of onnx-tool's", "peak MB", "of onnx-tool's"), rows)
    for kind in (_MAIN, _LIGHT):
        time_ratio, memory_ratio = statistics.median(seconds[kind]) / base, memory[kind] / memory[_REFERENCE]
        page.say(f"{kind}: {_verdict('time', time_ratio, 0.5)}; {_verdict('memory', memory_ratio, 0.1)}.")


def _verdict(what: str, ratio: float, aim: float) -> str:
    return f"{ratio:.3f} of onnx-tool's {what}, the aim of {aim:g} is {'met' if ratio <= aim else 'missed'}"


if __name__ == "__main__":
    sys.exit(main())

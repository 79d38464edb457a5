"""Claim: the command line answers at once, and it is known what the rest of the time goes to.

Time to the first byte of output, and to the end, of `convprof --help` and of `convprof analyze` of a small model, in
fresh processes in random order, beside a Python that does nothing and one that only imports onnx-ir. Then the imports,
grouped by top-level package (`python -X importtime`, median of three), and the steps of `analyze`.

    python benchmarks/startup.py [--runs 15]

About a minute.
"""

from __future__ import annotations

import random
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import parts
from writing import Page, parser

_MODEL = Path(__file__).resolve().parents[1] / "sample_models" / "digits_vgg.onnx"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
_COMMANDS = {
    "python -c 'print()'": ["-c", "print()"],
    "python -c 'import onnx_ir; print()'": ["-c", "import onnx_ir; print()"],
    "convprof --help": ["-m", "convprof", "--help"],
    "convprof analyze, --max-rank 0": ["-m", "convprof", "analyze", str(_MODEL), "--max-rank", "0"],
    "convprof analyze": ["-m", "convprof", "analyze", str(_MODEL)],
}
_LOOKED_INTO = ("convprof --help", "convprof analyze")
_SHOWN = 12


@dataclass(frozen=True)
class Sample:
    """One process: seconds to its first byte on stdout and to its end."""

    what: str
    first: float
    total: float


def main() -> int:
    """Measure, break down, write the page."""
    made = parser(__doc__)
    made.add_argument("--runs", type=int, default=15, help="processes of each kind (15)")
    made.add_argument("--seed", type=int, default=0, help="for the order (0)")
    options = made.parse_args()
    page = Page(
        "startup",
        "Time to first output",
        "`convprof --help` answers at once; `convprof analyze` of a small model is dominated by imports.",
        "python benchmarks/startup.py",
        facts={"seed": options.seed, "n": f"{options.runs} fresh processes each, order random within a round"},
    )
    samples = _measure(options.runs, options.seed)
    _tell_times(page, samples)
    imports = {what: _imports(_COMMANDS[what]) for what in _LOOKED_INTO}
    for what, found in imports.items():
        _tell_imports(page, what, found)
    steps = parts.measure(_MODEL)
    page.say("## The steps of `convprof analyze`")
    page.say("One process, each step once; some steps hold others, as they say.")
    page.table(("step", "ms"), ((name, f"{1000 * seconds:.1f}") for name, seconds in steps))
    page.raw |= {"samples": [asdict(sample) for sample in samples], "imports": imports, "steps": dict(steps)}
    page.write(options.output, ("click", "rich", "numpy", "onnx", "onnx-ir", "onnx-shape-inference", "onnxruntime"))
    return 0


def _measure(runs: int, seed: int) -> list[Sample]:
    order = random.Random(seed)
    kinds = list(_COMMANDS)
    samples = []
    for number in range(runs + 1):
        order.shuffle(kinds)
        found = [_run(what, _COMMANDS[what]) for what in kinds]
        # The first round warms the file system's cache and writes the .pyc files; it is not kept.
        samples += found if number else []
    return samples


def _run(what: str, arguments: Sequence[str]) -> Sample:
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        first = time.perf_counter() - start
        process.stdout.read()
    total = time.perf_counter() - start
    if process.returncode != 0:
        raise SystemExit(f"{what} failed with {process.returncode}")
    return Sample(what, first, total)


def _imports(arguments: Sequence[str]) -> dict[str, float]:
    """Milliseconds of importing by top-level package, the modules' own time, largest first; medians of three runs."""
    runs = [_import_times(arguments) for _ in range(3)]
    names = {name for run in runs for name in run}
    medians = {name: statistics.median(run.get(name, 0.0) for run in runs) for name in names}
    return dict(sorted(medians.items(), key=lambda item: -item[1]))


def _import_times(arguments: Sequence[str]) -> dict[str, float]:
    command = [sys.executable, "-X", "importtime", *arguments]
    said = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    times: dict[str, float] = defaultdict(float)
    for micros, module in _IMPORT.findall(said):
        top = module.partition(".")[0]
        times["(standard library)" if top.lstrip("_") in _standard() else top] += int(micros) / 1000
    return dict(times)


def _standard() -> frozenset[str]:
    return frozenset(name.lstrip("_") for name in sys.stdlib_module_names)


def _tell_times(page: Page, samples: list[Sample]) -> None:
    rows = []
    for what in _COMMANDS:
        first = sorted(1000 * s.first for s in samples if s.what == what)
        total = [1000 * s.total for s in samples if s.what == what]
        spread = f"{first[0]:.0f}-{first[-1]:.0f}"
        rows.append((what, f"{statistics.median(first):.0f}", spread, f"{statistics.median(total):.0f}"))
    page.table(("command", "first output, median ms", "range ms", "end, median ms"), rows)
    page.say(f"The model is sample_models/{_MODEL.name} ({_MODEL.stat().st_size:,} bytes, six convolutions).")


def _tell_imports(page: Page, what: str, found: dict[str, float]) -> None:
    total = sum(found.values())
    page.say(f"## Imports of `{what}`")
    page.say(
        f"{total:.0f} ms in all; `-X importtime` itself slows imports down, so the shares say more than the times."
    )
    shown = list(found.items())[:_SHOWN]
    rest = total - sum(millis for _, millis in shown)
    rows = [(name, f"{millis:.1f}", f"{millis / total:.0%}") for name, millis in (*shown, ("all others", rest))]
    page.table(("package", "own time, ms", "share"), rows)


if __name__ == "__main__":
    sys.exit(main())

"""Claim: `bench` rarely calls a model different from its copy, and agrees with a plain loop that it is steadier than.

A model beside a copy of itself, 20 times over, each run a command of its own: how often is the copy called faster or
slower? And the medians and ratios of `bench` beside those of a loop around `session.run`, with what both take.

    OMP_NUM_THREADS=1 python benchmarks/bench.py [--models DIR] [--only SECTION ...]

Sections: aa, loop; parts of them are named as in aa/digits_vgg. Without DIR only the sample model is measured. Leave
the machine alone while it runs: about 15 minutes with DIR, 4 without.
"""

from __future__ import annotations

import functools
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fits import parts
from fits.parts import Aim, Part, Raw
from fits.trained import Setting
from writing import Page, parser

_SAMPLE = "digits_vgg"
_SAMPLES = Path(__file__).resolve().parents[1] / "sample_models"
_RUNS, _TRIAL_RUNS = 20, 2
_REPEATS, _TRIAL_REPEATS = 8, 2
_WARMUP = 10
_LOOP = """
import json, sys, time
import numpy, onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
generator = numpy.random.default_rng(0)
feeds = {
    each.name: generator.standard_normal([n if isinstance(n, int) else 1 for n in each.shape]).astype(numpy.float32)
    for each in session.get_inputs()
}
times = []
for _ in range(int(sys.argv[2]) + int(sys.argv[3])):
    start = time.perf_counter()
    session.run(None, feeds)
    times.append(1000 * (time.perf_counter() - start))
print(json.dumps(float(numpy.median(times[int(sys.argv[2]):]))))
"""


@dataclass(frozen=True)
class _Network:
    """How long to measure: seconds in one process and in each of five (not at all for None), and runs of a loop."""

    name: str
    seconds: float = 2.0
    each_of_five: float | None = 0.3
    runs: int = 100

    @property
    def ways(self) -> dict[str, tuple[str, ...]]:
        """Options of `bench` by the way that they stand for."""
        alone: dict[str, tuple[str, ...]] = {f"one process, {self.seconds:g} s": ("--duration", str(self.seconds))}
        if self.each_of_five is None:
            return alone
        options = ("--processes", "5", "--duration", str(self.each_of_five))
        return {**alone, f"five processes, {self.each_of_five:g} s each": options}


_NETWORKS = (_Network(_SAMPLE), _Network("resnet20_cifar10"), _Network("espcn_x3", 6.0, None, 30))


def _path(setting: Setting, network: str) -> Path:
    return (_SAMPLES if network == _SAMPLE else setting.models) / f"{network}.onnx"


def _timed(*arguments: str | Path) -> tuple[Any, float]:
    """What a process prints as JSON, and the seconds that it took."""
    start = time.perf_counter()
    ran = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout), time.perf_counter() - start


def _bench(*arguments: str | Path) -> tuple[Any, float]:
    return _timed("-m", "convprof", "bench", *arguments, "--format", "json", "--quiet")


def _against_itself(network: _Network, setting: Setting) -> Raw:
    path, copy = _path(setting, network.name), setting.folder / "copy.onnx"
    shutil.copyfile(path, copy)
    runs = _TRIAL_RUNS if setting.trial else _RUNS
    return {way: [_one(path, copy, options, seed) for seed in range(runs)] for way, options in network.ways.items()}


def _one(path: Path, copy: Path, options: Sequence[str], seed: int) -> Raw:
    found, seconds = _bench(path, copy, *options, "--seed", str(seed))
    (comparison,) = found["comparisons"]
    return {
        "verdict": comparison["verdict"],
        "speedup": comparison["speedup"],
        "interval": comparison["interval"],
        "floor": found["floor"]["interval"],
        "rounds": sum(each["rounds"] for each in found["processes"]),
        "seconds": seconds,
        "cautions": [caution["code"] for caution in found["cautions"]],
    }


def _tell_itself(network: _Network, page: Page, data: Raw) -> list[Aim]:
    page.say(
        f"`convprof bench {network.name}.onnx copy.onnx`, a command a run, one thread. Intervals without 1: those of "
        "the ratio, before the floor is asked, as one process alone does. The true ratio is 1."
    )
    rows = [(way, *_itself(found)) for way, found in data.items()]
    header = ("measured in", "runs", "called different", "no difference", "inconclusive", "intervals without 1")
    page.table((*header, "median width, %", "furthest ratio, %", "rounds", "seconds a run"), rows)
    codes = {way: _counted([code for each in found for code in each["cautions"]]) for way, found in data.items()}
    page.notes(f"cautions in {way}: {said or 'none'}" for way, said in codes.items())
    return [
        Aim(
            f"{network.name}, {way}: runs of {len(found)} that call a copy different, at most",
            1,
            _different(found),
            0,
            True,
        )
        for way, found in data.items()
    ]


def _itself(found: Sequence[Raw]) -> tuple[object, ...]:
    said = [each["verdict"] for each in found]
    widths = [100 * (high / low - 1) for low, high in (each["interval"] for each in found)]
    return (
        len(found),
        _different(found),
        said.count("no-measurable-difference"),
        said.count("inconclusive"),
        sum(not low <= 1 <= high for low, high in (each["interval"] for each in found)),
        f"{statistics.median(widths):.1f}",
        f"{max(100 * abs(each['speedup'] - 1) for each in found):.1f}",
        f"{statistics.median(each['rounds'] for each in found):.0f}",
        f"{statistics.mean(each['seconds'] for each in found):.1f}",
    )


def _different(found: Sequence[Raw]) -> int:
    return sum(each["verdict"] in ("faster", "slower") for each in found)


def _counted(codes: Sequence[str]) -> str:
    return ", ".join(f"{code} {codes.count(code)}" for code in sorted(set(codes)))


@dataclass(frozen=True)
class _Pair:
    """A network and the same one converted, and how often each is run."""

    paths: tuple[Path, Path]
    runs: int

    def bench(self, *options: str) -> Raw:
        """Medians of both and their ratio, with intervals, as `bench` finds them."""
        found, seconds = _bench(*self.paths, "--iterations", str(self.runs), "--batch", "1", *options)
        per_second = [each["interval"] for each in found["throughput"][0]["models"]]
        return {
            "medians": [each["median_ms"] for each in found["models"]],
            "intervals": [[1000 / high, 1000 / low] for low, high in per_second],
            "ratio": found["comparisons"][0]["speedup"],
            "interval": found["comparisons"][0]["interval"],
            "seconds": seconds,
        }

    def loop(self) -> Raw:
        """The same by one loop after another."""
        ran = [_timed("-c", _LOOP, path, str(_WARMUP), str(self.runs)) for path in self.paths]
        medians = [median for median, _ in ran]
        return {"medians": medians, "ratio": medians[0] / medians[1], "seconds": sum(seconds for _, seconds in ran)}


def _beside_a_loop(network: _Network, setting: Setting) -> Raw:
    path, converted = _path(setting, network.name), setting.folder / "converted.onnx"
    form = ("--form", "depthwise-pointwise", "--rank", "2", "--init", "weights", "--quiet")
    command = [sys.executable, "-m", "convprof", "rewrite", str(path), "-o", str(converted), *form]
    subprocess.run(command, check=True, capture_output=True)
    pair = _Pair((path, converted), network.runs)
    found: dict[str, list[Raw]] = {"bench": [], "loop": []}
    for _ in range(_TRIAL_REPEATS if setting.trial else _REPEATS):
        found["bench"].append(pair.bench("--no-floor"))
        found["loop"].append(pair.loop())
    return {"runs": pair.runs, **found, "processes": pair.bench("--no-floor", "--processes", "5")}


def _tell_loop(network: _Network, page: Page, data: Raw) -> list[Aim]:
    loops, benches, processes = data["loop"], data["bench"], data["processes"]
    page.say(
        f"{network.name} and the same with every convolution that can be depthwise-pointwise, rank 2; one thread, "
        f"batch 1. `bench`: both in turns, {data['runs']} rounds, one process (`--no-floor`). Loop: one process each, "
        f"{_WARMUP} runs, then {data['runs']} around `session.run`, median. One after the other, {len(loops)} times. A "
        "range is from the smallest to the largest of these. Within: medians of loops that lie in the interval that "
        "`bench` gave beside them, and in that of `--processes 5`, measured once at the end."
    )
    names = (network.name, "converted")
    page.table(
        ("median, ms", "bench", "range, %", "loop", "range, %", "loops within", "within five processes"),
        [_medians(name, at, loops, benches, processes) for at, name in enumerate(names)],
    )
    rows = [
        ("bench", *_ratios(benches), f"{statistics.mean(each['seconds'] for each in benches):.1f}"),
        ("loops", *_ratios(loops), f"{statistics.mean(each['seconds'] for each in loops):.1f}"),
        ("bench, five processes", f"{processes['ratio']:.3f}", "", f"{processes['seconds']:.1f}"),
    ]
    page.table(("speed-up", "median", "range, %", "seconds a run"), rows)
    page.say(
        "onnxruntime_perf_test, which would stand here too, is in none of onnxruntime's packages for Python and in no "
        "package of Debian 12."
    )
    apart = 100 * abs(_middle(loops, "ratio") / _middle(benches, "ratio") - 1)
    return [Aim(f"{network.name}: speed-up of the loops from that of bench, %, at most", 2, apart, 0, True)]


def _medians(name: str, at: int, loops: list[Raw], benches: list[Raw], processes: Raw) -> tuple[object, ...]:
    by_loop, by_bench = ([each["medians"][at] for each in found] for found in (loops, benches))
    within = sum(_inside(each["intervals"][at], median) for each, median in zip(benches, by_loop, strict=True))
    in_processes = sum(_inside(processes["intervals"][at], median) for median in by_loop)
    return (
        name,
        f"{statistics.median(by_bench):.3f}",
        _range(by_bench),
        f"{statistics.median(by_loop):.3f}",
        _range(by_loop),
        f"{within} of {len(by_loop)}",
        f"{in_processes} of {len(by_loop)}",
    )


def _ratios(found: Sequence[Raw]) -> tuple[str, str]:
    return f"{_middle(found, 'ratio'):.3f}", _range([each["ratio"] for each in found])


def _middle(found: Sequence[Raw], name: str) -> float:
    return float(statistics.median(each[name] for each in found))


def _range(values: Sequence[float]) -> str:
    return f"{100 * (max(values) / min(values) - 1):.1f}"


def _inside(interval: Sequence[float], value: float) -> bool:
    return interval[0] <= value <= interval[1]


_PARTS = tuple(
    Part(f"{section}/{of.name}", f"{title}: {of.name}", functools.partial(find, of), functools.partial(tell, of))
    for section, title, find, tell in (
        ("aa", "A model beside its copy", _against_itself, _tell_itself),
        ("loop", "Beside a plain loop", _beside_a_loop, _tell_loop),
    )
    for of in _NETWORKS
)


def main() -> int:
    """Measure what is asked for and can be found, part by part, and write the page after each."""
    made = parser(__doc__)
    parts.add_options(made, _PARTS, (0,))
    options = made.parse_args()
    if options.models is None:
        asked = [part.name for part in _PARTS if options.only is None or part.asked_for(options.only)]
        options.only = [name for name in asked if name.endswith(f"/{_SAMPLE}")]
    page = Page(
        "bench",
        "What `bench` says",
        "A copy of a model is rarely called different, and medians and ratios are those of a plain loop, but steadier.",
        "OMP_NUM_THREADS=1 python benchmarks/bench.py --models MODELS",
    )
    parts.measure(options, page, _PARTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Parts of the page, each measured on its own and kept with the run that it is from until it is measured again."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from writing import Page, markdown_table, surroundings

from convprof.errors import ConvprofError
from fits.trained import Setting

_PACKAGES = ("onnxruntime", "numpy", "scipy", "onnx-ir")
_TRIAL = (32, 256)
Raw = dict[str, Any]
"""What a part has measured, as JSON has it."""
Kept = dict[str, dict[str, Any]]
"""What is kept of parts, by their names."""


@dataclass(frozen=True)
class Aim:
    """What was wanted of a figure, and what was found; `tolerance` is what may be missing without a miss.

    A `floor` is what the benchmark must not fall below: it leaves with 1.
    """

    what: str
    wanted: float
    found: float
    tolerance: float = 0.0
    at_most: bool = False
    floor: bool = False

    @property
    def missing(self) -> float:
        """By how much the figure falls short of what was wanted, negative where it is better."""
        return self.found - self.wanted if self.at_most else self.wanted - self.found

    @property
    def met(self) -> bool:
        """Whether that is within the tolerance."""
        return self.missing <= self.tolerance

    @property
    def verdict(self) -> str:
        """In words."""
        if self.met:
            return "met" if self.missing <= 0 else f"met within {self.tolerance:g} (short of it by {self.missing:.2g})"
        return f"missed by {self.missing:.2g}"


@dataclass(frozen=True)
class Part:
    """`measure` makes the numbers; `tell` writes them down, whenever they were made, and says what was aimed at."""

    name: str
    title: str
    measure: Callable[[Setting], Raw]
    tell: Callable[[Page, Raw], Sequence[Aim]]

    def asked_for(self, names: Iterable[str]) -> bool:
        """Whether it, or the section that it is a part of, is among the names."""
        return any(name in (self.name, self.name.partition("/")[0]) for name in names)


def add_options(made: argparse.ArgumentParser, parts: Sequence[Part], seeds: Sequence[int]) -> None:
    """The options of a script that measures part by part; `seeds` is for when none are named."""
    names = {name for part in parts for name in (part.name, part.name.partition("/")[0])}
    made.add_argument("--only", nargs="+", metavar="SECTION", choices=sorted(names), help="sections, or parts of them")
    usual = " ".join(map(str, seeds))
    made.add_argument("--seeds", type=int, nargs="+", default=list(seeds), help=f"for the fits ({usual})")
    made.add_argument(
        "--trial",
        action="store_true",
        help=f"{_TRIAL[0]} calibration and {_TRIAL[1]} test inputs: shows that it runs, no more; give --output too",
    )


def measure(
    options: argparse.Namespace,
    page: Page,
    parts: Sequence[Part],
    *,
    after: Callable[[str, Raw], None] | None = None,
    over_all: Callable[[Page, Kept], Sequence[Aim]] | None = None,
) -> list[Aim]:
    """Measure the parts asked for, and write the page after each; what was aimed at with all that stand there.

    `after` is called with the name and the numbers of each, `over_all` tells what several parts say together. A part
    that fails does not keep the others from being measured; it ends the script.
    """
    inputs, tests = _TRIAL if options.trial else (None, None)
    kept = recall(options.output, page.name)
    aims: list[Aim] = []
    failed: list[str] = []
    for part in [part for part in parts if options.only is None or part.asked_for(options.only)]:
        with tempfile.TemporaryDirectory() as folder:
            setting = Setting(options.models, options.data, Path(folder), tuple(options.seeds), inputs, tests)
            try:
                kept[part.name] = run(part, setting)
            except ConvprofError as error:
                traceback.print_exc()
                failed.append(f"{part.name}: {error}")
                continue
        aims = save(options.output, page, parts, kept, over_all)
        if after is not None:
            after(part.name, kept[part.name]["data"])
    if failed:
        raise SystemExit("not measured:\n" + "\n".join(failed))
    return aims


def run(part: Part, setting: Setting) -> dict[str, Any]:
    """Measure a part; what is kept of it."""
    print(f"{part.name}: {part.title}", file=sys.stderr, flush=True)
    start = time.perf_counter()
    data = part.measure(setting)
    facts = surroundings(_PACKAGES)
    facts["minutes"] = round((time.perf_counter() - start) / 60, 1)
    facts["seeds"] = list(setting.seeds)
    facts["trial"] = setting.trial
    kept: dict[str, Any] = json.loads(json.dumps({"facts": facts, "data": data}))
    _told(part, kept, quiet=False)
    return kept


def recall(folder: Path, name: str) -> Kept:
    """What earlier runs have left in `name`.json."""
    file = folder / f"{name}.json"
    kept: Kept = json.loads(file.read_text(encoding="utf-8"))["parts"] if file.is_file() else {}
    return kept


def save(
    folder: Path,
    page: Page,
    parts: Sequence[Part],
    kept: Kept,
    over_all: Callable[[Page, Kept], Sequence[Aim]] | None = None,
) -> list[Aim]:
    """Write the page of all parts that were ever measured; what was aimed at with them."""
    there = [part for part in parts if part.name in kept]
    told = [_told(part, kept[part.name], quiet=True) for part in there]
    if over_all is not None:
        together = Page("", "", "", "", quiet=True)
        aimed = over_all(together, kept)
        told.insert(0, (together.body, aimed))
    aims = [aim for _, found in told for aim in found]
    page.body = ["## Aims", _aims(aims), *(paragraph for body, _ in told for paragraph in body)]
    ends = ["## The runs", _runs(there, kept)]
    page.save(folder, ends, {"parts": {part.name: kept[part.name] for part in there}})
    return aims


def _told(part: Part, kept: Mapping[str, Any], *, quiet: bool) -> tuple[list[str], Sequence[Aim]]:
    page = Page("", "", "", "", quiet=quiet)
    page.say(f"## {part.title}")
    aims = part.tell(page, kept["data"])
    if aims and not quiet:
        page.say(_aims(aims))
    return page.body, aims


def _aims(aims: Sequence[Aim]) -> str:
    rows = [(aim.what, f"{aim.wanted:g}", f"{aim.found:.2f}", aim.verdict) for aim in aims]
    return markdown_table(("aim", "wanted", "found", "verdict"), rows)


def _runs(parts: Sequence[Part], kept: Mapping[str, Mapping[str, Any]]) -> str:
    """Which run each part is from."""
    header = ("part", "date", "seeds", "minutes", "cpu", "cores", "load at the end", "system", "versions")
    rows = []
    for part in parts:
        facts = kept[part.name]["facts"]
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        seeds = ", ".join(map(str, facts["seeds"])) + (" (trial: figures mean nothing)" if facts["trial"] else "")
        machine = (facts["cpu"], facts["cores"], facts["load average at the end"], facts["system"])
        rows.append((part.name, facts["date"], seeds, facts["minutes"], *machine, versions))
    return markdown_table(header, rows)

"""What every benchmark writes: a markdown page and its raw numbers, with the machine, the versions and the date."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

_PAGES = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
_NUMERIC = frozenset("0123456789.,+-%x ")


@dataclass
class Page:
    """One page of docs/benchmarks, grown section by section and printed as it grows."""

    name: str
    title: str
    claim: str
    command: str
    facts: Mapping[str, object] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    raw: dict[str, object] = field(default_factory=dict)
    quiet: bool = False

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self.body.append(text)
        if not self.quiet:
            print(f"{text}\n", flush=True)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table; columns of numbers are set flush right."""
        self.say(markdown_table(header, rows))

    def notes(self, lines: Iterable[str]) -> None:
        """Add a list."""
        self.say("\n".join(f"- {line}" for line in lines))

    def write(self, folder: Path, packages: Sequence[str]) -> None:
        """Write NAME.md and NAME.json into `folder`; the facts of the run stand in both."""
        facts = {**surroundings(packages), **self.facts}
        shown = [f"- {key}: {_line(value)}" for key, value in facts.items()]
        self.save(folder, ("## The run", "\n".join(shown)), {"facts": facts})

    def save(self, folder: Path, ends: Sequence[str], record: Mapping[str, object]) -> None:
        """Write NAME.md, the paragraphs `ends` last, and NAME.json: `record` and the raw numbers."""
        parts = [f"# {self.title}", self.claim, f"    {self.command}", *self.body, *ends]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        whole = {"name": self.name, "command": self.command, **record, **self.raw}
        (folder / f"{self.name}.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def parser(doc: str | None, *, models: bool = False, data: bool = False) -> argparse.ArgumentParser:
    """The options that the benchmarks share; `doc` is the script's docstring and becomes its --help.

    Every script takes --models and --data, so that one set of options serves them all; not all of them read both.
    """
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--models", type=Path, required=models, metavar="DIR", help=_use("trained networks", models))
    made.add_argument("--data", type=Path, required=data, metavar="DIR", help=_use("unpacked data", data))
    made.add_argument(
        "--output", type=Path, default=_PAGES, metavar="DIR", help="where the page goes (docs/benchmarks)"
    )
    return made


def _use(what: str, needed: bool) -> str:
    return f"folder of the {what} ({'needed' if needed else 'optional or unused'} here)"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table, padded so that it reads well as plain text too."""
    cells = [[str(cell) for cell in row] for row in rows]
    columns = list(zip(header, *cells, strict=True))
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    widths = [max(3, *(len(cell) for cell in column)) for column in columns]
    rule = ["-" * (width - 1) + ":" if flush else "-" * width for width, flush in zip(widths, right, strict=True)]
    lines = [header, rule, *cells]
    return "\n".join(f"| {' | '.join(_padded(line, widths, right))} |" for line in lines)


def _padded(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return [
        cell.rjust(width) if flush else cell.ljust(width)
        for cell, width, flush in zip(line, widths, right, strict=True)
    ]


def _is_number(cell: str) -> bool:
    return cell in ("", "-") or set(cell) <= _NUMERIC


def surroundings(packages: Sequence[str]) -> dict[str, object]:
    """Machine, date and versions; nothing that tells where on the machine anything lies."""
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "load average at the end": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: metadata.version(name) for name in packages} | {"convprof": _own_version()},
    }


def cpu() -> str:
    """The processor's name as Linux has it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _own_version() -> str:
    from convprof import __version__

    return __version__


def _line(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value)

"""Where `convprof analyze` of one model spends its time, one line a step; used by analyze_large.py and startup.py.

    python benchmarks/parts.py MODEL

The steps are the command's own, taken one by one in a fresh process; each is timed once.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convprof.graph import Model

_RANKS = 4


def measure(model: Path) -> list[tuple[str, float]]:
    """Steps and their seconds, measured in a process of its own."""
    result = subprocess.run([sys.executable, __file__, model], check=True, stdout=subprocess.PIPE, text=True)
    lines = (line.rsplit("\t", 1) for line in result.stdout.splitlines())
    return [(name, float(seconds)) for name, seconds in lines]


def _watch() -> Callable[[str], None]:
    last = time.perf_counter()

    def note(step: str) -> None:
        nonlocal last
        print(f"{step}\t{time.perf_counter() - last:.5f}", flush=True)
        last = time.perf_counter()

    return note


def main(path: Path) -> None:
    """Take the steps."""
    note = _watch()
    importlib.import_module("convprof.pipeline")
    note("imports")
    from convprof import analysis, execution
    from convprof.graph import loading, wire
    from convprof.reporting import render_analysis

    wire.skeleton(path, "here")
    note("load: walk over the file without its weights")
    loading._sha256(path)
    note("load: sha256 of the file")
    loaded = execution.load(path)
    note("load: all of it (the two above again, and the graph)")
    opened = execution.settle(loaded, {}, {}, {})
    note("shape inference")
    analysis.analyze(opened, max_rank=0)
    note("counting, weights unread")
    _energies(opened, note)
    counted = analysis.analyze(opened, max_rank=_RANKS)
    note("counting with energies: all of the energies again")
    render_analysis(counted, "table", color=False, width=120)
    note("rendering the table, with the import of rich")


def _energies(opened: Model, note: Callable[[str], None]) -> None:
    import numpy as np

    from convprof.forms import FORMS
    from convprof.graph import find_convs

    convs = [conv for conv in find_convs(opened) if conv.refusal is None]
    kernels = [np.asarray(conv.kernel(), np.float32) for conv in convs]
    note("energies: reading the kernels")
    for name, form in FORMS.items():
        fits = [(c.known_site, k) for c, k in zip(convs, kernels, strict=True) if not form.applies(c.known_site.spec)]
        offered = [form.ranks(site)[:_RANKS] for site, _ in fits]
        for (_, kernel), ranks in zip(fits, offered, strict=True):
            form.energy(kernel, ranks)
        note(f"energies: {name}")
        for (site, _), ranks in zip(fits, offered, strict=True):
            for rank in ranks:
                form.energy_random(site.spec, rank)
        note(f"energies: {name}, random kernels")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

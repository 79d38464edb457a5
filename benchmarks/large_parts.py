"""Says where `convprof analyze` of one model spends its time, one line a step; used by analyze_large.py.

python benchmarks/large_parts.py MODEL
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

_last = time.perf_counter()


def note(step: str) -> None:
    """Print the seconds since the last note."""
    global _last
    now = time.perf_counter()
    print(f"{step}\t{now - _last:.4f}", flush=True)
    _last = time.perf_counter()


def main(path: Path) -> None:
    """The steps of the command, in its order, through the library's own functions."""
    from convprof import analysis, execution, pipeline  # noqa: F401
    from convprof.graph import loading, wire

    note("imports of the pipeline (numpy, onnx, onnx-ir, ...)")
    wire.skeleton(path, "here")
    note("walk over the file without its weights")
    loading._sha256(path)
    note("sha256 of the file")
    loaded = execution.load(path)
    note("load: both of the above, and the graph")
    opened = execution.settle(loaded, {}, {}, {})
    note("shape inference")
    analysis.analyze(opened, max_rank=0)
    note("counting (analyze at rank 0)")
    _energies(opened)


def _energies(opened: object) -> None:
    import numpy as np

    from convprof.forms import FORMS
    from convprof.graph import find_convs

    convs = [conv for conv in find_convs(opened) if conv.refusal is None]  # type: ignore[arg-type]
    kernels = [np.asarray(conv.kernel(), np.float32) for conv in convs]
    note("reading the kernels")
    sites = [conv.known_site for conv in convs]
    offered = {name: [form.ranks(site)[:4] for site in sites] for name, form in FORMS.items()}
    note("which ranks there are")
    for name, form in FORMS.items():
        for kernel, ranks in zip(kernels, offered[name], strict=True):
            form.energy(kernel, ranks)
        note(f"energy of the kernels, {name}")
        for site, ranks in zip(sites, offered[name], strict=True):
            for rank in ranks:
                form.energy_random(site.spec, rank)
        note(f"energy of random kernels, {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

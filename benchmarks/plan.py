"""Claim: planned by measured time, networks are as fast as predicted, and better than by other rules in that time.

Compares predicted with measured times, the planner's networks with those of other rules that take as long, the ways to
write a chain, and integers beside and on top of it all; and takes the time of planning itself.

    python benchmarks/plan.py --models DIR --data DIR [--only SECTION ...]

Sections: latency, quality, emission, int8, time; parts of them are named as in quality/wide_cifar10. The page keeps
what other sections have found before, and says which run each is from.

DIRs are those of fit.py. Set OMP_NUM_THREADS=1, and leave the machine alone while it runs.
"""

from __future__ import annotations

import sys

from fits import parts
from plans import duration, emission, integers, latency, quality
from writing import Page, parser

_PARTS = (
    *latency.PARTS,
    *quality.PARTS,
    *emission.PARTS,
    *integers.PARTS,
    *duration.PARTS,
)


def main() -> int:
    """Measure what is asked for, part by part, and write the page after each."""
    made = parser(__doc__, models=True, data=True)
    parts.add_options(made, _PARTS, (0,))
    page = Page(
        "plan",
        "Planning by measured time",
        "What becomes of each convolution is decided by prices measured in place: how good they are, and what for.",
        "OMP_NUM_THREADS=1 python benchmarks/plan.py --models MODELS --data DATA",
    )
    parts.measure(made.parse_args(), page, _PARTS, over_all=latency.over_all)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Claim: trained without labels for an hour on two cores, converted networks answer as well as their originals.

Converts trained networks, trains them to answer as the originals do, and judges them on test inputs, paired with the
original, all along the way. Beside them: fewer pictures, labels, other starts and another method, with the same time.

    python benchmarks/tune.py --models DIR --data DIR [--only ROW ...] [--minutes 60] [--threads 2] [--seeds 0]

Rows are named as in resnet20/rank2; resnet20, wide, dncnn, waifu2x, few, labels and baselines name several. The page
keeps what other rows have found before, and says which run each is from.

DIRs are those of fit.py. Leave the machine alone while it runs.
"""

from __future__ import annotations

import sys
from functools import partial

from fits import parts
from fits.parts import Part, Raw
from fits.trained import Setting
from tunes import telling, trials
from tunes.rows import ROWS, Row
from writing import Page, parser


def main() -> int:
    """Measure what is asked for, row by row, and write the page after each."""
    made = parser(__doc__, models=True, data=True)
    parts.add_options(made, tuple(_part(row, 0.0, 0) for row in ROWS), (0,))
    made.add_argument("--minutes", type=float, default=60.0, help="to train each row for (60)")
    made.add_argument("--threads", type=int, default=2, help="to train with (2)")
    options = made.parse_args()
    page = Page(
        "tune",
        "Training converted networks",
        "Without labels, with nothing set by hand: how much of what the original could do comes back, and how fast.",
        "python benchmarks/tune.py --models MODELS --data DATA",
    )

    def drawn(name: str, data: Raw) -> None:
        picture = telling.picture(parts.recall(options.output, page.name))
        if picture is not None:
            (options.output / telling.PICTURE).write_text(picture, encoding="utf-8")

    rows = tuple(_part(row, options.minutes, options.threads) for row in ROWS)
    parts.measure(options, page, rows, after=drawn, over_all=telling.together)
    return 0


def _part(row: Row, minutes: float, threads: int) -> Part:
    def measure(setting: Setting) -> Raw:
        return trials.measure(row, setting, minutes, threads)

    return Part(row.name, f"{row.trained.name}, {row.plan}, {row.start} start", measure, partial(telling.tell, row))


if __name__ == "__main__":
    sys.exit(main())

"""Claim: fitted to a few unlabelled inputs, converted networks keep what they can do: more than by other ways to fit.

Converts trained networks without training them, by every form, by convprof's method and what is left of it when steps
are taken away, by other methods, from few inputs and from none, and judges the results on test inputs, paired with the
original. Fits draw the positions that they look at, so they are repeated over seeds (of the large networks only the
first).

    python benchmarks/fit.py --models DIR --data DIR [--only SECTION ...] [--seeds 0 1 2]

Sections: resnet20, denoiser, ablation, inputs, few, synthetic, forms, baselines, resnet18; parts of them are named
as in ablation/wide_cifar10. The page keeps what other sections have found before, and says which run each is from.

DIRs hold the trained networks, and cifar10_{calib,test,train}.npz (uint8 NHWC in `x`, labels in `y`), gray/Set68 and
gray/set12. Set OMP_NUM_THREADS=1. Leaves with 1 if a ResNet-20 ends more than half a point below what the prototype's
closed form made of it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from fits import ablation, amounts, comparisons, conversions, parts, speed
from fits.trained import Setting
from writing import Page, parser

_PARTS = (
    *conversions.PARTS,
    *ablation.PARTS,
    *amounts.PARTS,
    *comparisons.PARTS,
    *speed.PARTS,
)
_TRIAL = (32, 256)


def main() -> int:
    """Measure what is asked for, part by part, and write the page after each."""
    made = parser(__doc__, models=True, data=True)
    names = {name for part in _PARTS for name in (part.name, part.name.partition("/")[0])}
    made.add_argument("--only", nargs="+", metavar="SECTION", choices=sorted(names), help="sections, or parts of them")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="for the fits (0 1 2)")
    made.add_argument(
        "--trial",
        action="store_true",
        help=f"{_TRIAL[0]} calibration and {_TRIAL[1]} test inputs: shows that it runs, no more; give --output too",
    )
    options = made.parse_args()
    inputs, tests = _TRIAL if options.trial else (None, None)
    page = Page(
        parts.NAME,
        "Fitting converted networks",
        "Training-free: what the fit makes of networks whose convolutions are replaced by chains of cheaper ones.",
        "OMP_NUM_THREADS=1 python benchmarks/fit.py --models MODELS --data DATA",
    )
    kept = parts.recall(options.output)
    aims: list[parts.Aim] = []
    for part in [part for part in _PARTS if options.only is None or part.asked_for(options.only)]:
        with tempfile.TemporaryDirectory() as folder:
            setting = Setting(options.models, options.data, Path(folder), tuple(options.seeds), inputs, tests)
            kept[part.name] = parts.run(part, setting)
        aims = parts.save(options.output, page, _PARTS, kept)
        if part.name == "inputs":
            drawn = amounts.picture(kept[part.name]["data"])
            (options.output / amounts.PICTURE).write_text(drawn, encoding="utf-8")
    return int(any(aim.floor and not aim.met for aim in aims))


if __name__ == "__main__":
    sys.exit(main())

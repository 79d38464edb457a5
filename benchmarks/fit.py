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

from fits import ablation, amounts, comparisons, conversions, parts, speed
from fits.parts import Raw
from writing import Page, parser

_PARTS = (
    *conversions.PARTS,
    *ablation.PARTS,
    *amounts.PARTS,
    *comparisons.PARTS,
    *speed.PARTS,
)
_SEEDS = (0, 1, 2)


def main() -> int:
    """Measure what is asked for, part by part, and write the page after each."""
    made = parser(__doc__, models=True, data=True)
    parts.add_options(made, _PARTS, _SEEDS)
    options = made.parse_args()
    page = Page(
        "fit",
        "Fitting converted networks",
        "Training-free: what the fit makes of networks whose convolutions are replaced by chains of cheaper ones.",
        "OMP_NUM_THREADS=1 python benchmarks/fit.py --models MODELS --data DATA",
    )

    def drawn(name: str, data: Raw) -> None:
        if name == "inputs":
            (options.output / amounts.PICTURE).write_text(amounts.picture(data), encoding="utf-8")

    aims = parts.measure(options, page, _PARTS, after=drawn)
    return int(any(aim.floor and not aim.met for aim in aims))


if __name__ == "__main__":
    sys.exit(main())

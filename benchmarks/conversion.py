"""Claim: a trained ResNet-20 keeps its accuracy as the closed-form fit of the prototype kept it, or better.

Converts resnet20_cifar10.onnx to depthwise-pointwise at rank 1, 2 and 3 in every 3x3 convolution but the stem, from the
weights alone and fitted to 1,024 unlabelled pictures, and judges it on the 10,000 test pictures, paired with the
original. The fit draws the positions that it looks at, so it is repeated over seeds.

    python benchmarks/conversion.py --models DIR --data DIR [--seeds 0 1 2]

DIRs hold resnet20_cifar10.onnx, and cifar10_calib.npz and cifar10_test.npz (uint8 NHWC in `x`, labels in `y`).
Leaves with 1 if a calibrated accuracy, averaged over the seeds, is more than half a point below the prototype's.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path

from writing import Page, parser

import convprof

_FORM = "depthwise-pointwise"
_PREPROCESS = "scale=1,mean=125.3:123.0:113.9,std=62.99:62.09:66.70"
# Top-1 in percent that the prototype reached with the same pictures; dense 86.72.
_PROTOTYPE = {
    ("weights", 1): 12.1,
    ("weights", 2): 19.2,
    ("weights", 3): 64.8,
    ("calibrated", 1): 69.5,
    ("calibrated", 2): 83.0,
    ("calibrated", 3): 85.2,
}
_TOLERANCE = 0.5


@dataclass(frozen=True)
class Result:
    """One conversion: accuracies in percent, the paired 95 % interval of their difference, seconds of the rewrite."""

    init: str
    rank: int
    seed: int
    dense: float
    converted: float
    interval: tuple[float, float] | None
    samples: int
    seconds: float
    macs: int
    layers: int


def main() -> int:
    """Convert, judge, write the page."""
    made = parser(__doc__, models=True, data=True)
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="for the calibrated fits (0 1 2)")
    options = made.parse_args()
    model = options.models / "resnet20_cifar10.onnx"
    before = convprof.analyze(model, max_rank=0)
    stem = before.convs[0].name
    with tempfile.TemporaryDirectory() as folder:
        results = [
            _convert(options, model, stem, Path(folder) / "converted.onnx", init, rank, seed)
            for init, rank in _PROTOTYPE
            for seed in (options.seeds if init == "calibrated" else options.seeds[:1])
        ]
    page = Page(
        "conversion",
        "Converting a trained ResNet-20",
        "Depthwise-pointwise in every 3x3 convolution but the stem: no worse than the prototype's closed form.",
        "python benchmarks/conversion.py --models MODELS --data DATA",
        facts={"seeds": ", ".join(map(str, options.seeds)), "n": f"{results[0].samples:,} test pictures"},
    )
    page.raw["results"] = [asdict(result) for result in results]
    worst = _tell(page, results, before.totals.macs)
    page.write(options.output, ("onnxruntime", "numpy", "scipy"))
    return int(worst < -_TOLERANCE)


def _convert(options: Namespace, model: Path, stem: str, out: Path, init: str, rank: int, seed: int) -> Result:
    print(f"{init}, rank {rank}, seed {seed}", file=sys.stderr)
    start = time.perf_counter()
    rewriting = convprof.rewrite(
        model,
        out,
        form=_FORM,
        rank=(rank,),
        skip=(stem,),
        calibration=str(options.data / "cifar10_calib.npz") if init == "calibrated" else None,
        preprocess=_PREPROCESS if init == "calibrated" else None,
        init=init,
        seed=seed,
    )
    seconds = time.perf_counter() - start
    fidelity = convprof.verify(
        model, out, str(options.data / "cifar10_test.npz"), labels="y", metric="top1", preprocess=_PREPROCESS
    )
    assert fidelity.metric is not None
    metric, interval = fidelity.metric, fidelity.metric.interval
    return Result(
        init,
        rank,
        seed,
        100 * metric.before,
        100 * metric.after,
        (100 * interval[0], 100 * interval[1]) if interval else None,
        fidelity.samples,
        seconds,
        convprof.analyze(out, max_rank=0).totals.macs,
        len(rewriting.plan.layers),
    )


def _tell(page: Page, results: list[Result], dense_macs: int) -> float:
    """Write the tables; the worst difference of a calibrated mean from the prototype."""
    page.say(
        f"Dense: top-1 {results[0].dense:.2f} %, {dense_macs:,} MACs. {results[0].layers} convolutions are replaced. "
        "The interval is that of the difference from the dense network, paired over the pictures."
    )
    rows = []
    for r in results:
        change = f"{r.interval[0]:+.2f} to {r.interval[1]:+.2f}" if r.interval else "-"
        macs, share = f"{r.macs:,}", f"{r.macs / dense_macs:.3f}"
        rows.append((r.init, r.rank, r.seed, f"{r.converted:.2f}", change, f"{r.seconds:.1f}", macs, share))
    page.table(("init", "rank", "seed", "top-1 %", "change, 95 %", "seconds", "MACs", "of dense"), rows)
    page.say("Seconds are those of the whole rewrite: analysing, fitting (calibrated only) and writing.")
    page.say("## Beside the prototype")
    rows, gaps = [], []
    for (init, rank), figure in _PROTOTYPE.items():
        found = [r.converted for r in results if (r.init, r.rank) == (init, rank)]
        mean = statistics.fmean(found)
        gap = mean - figure
        if init == "calibrated":
            gaps.append(gap)
        spread = f"{min(found):.2f} to {max(found):.2f}" if len(found) > 1 else "-"
        rows.append((init, rank, figure, f"{mean:.2f}", spread, f"{gap:+.2f}"))
    page.table(("init", "rank", "prototype %", "convprof %, mean", "over seeds", "difference"), rows)
    page.say(
        "The prototype's figures are of one run each, on the same pictures. The standard error of an accuracy on "
        "10,000 pictures is 0.3 to 0.5 points."
    )
    return min(gaps)


if __name__ == "__main__":
    sys.exit(main())

"""What the user should know of the data that a conversion rests on: remarks, chosen by what the data is."""

from __future__ import annotations

from convprof.data import SYNTHETIC, Batches, assumed_preprocess
from convprof.graph import Model
from convprof.records.remarks import Remark

WEIGHTS_ONLY = Remark(
    "weights-only",
    "the factors are fitted to the weights alone, which usually destroys a network (a ResNet-20 fell from 87 % to 19 % "
    "at rank 2, against 83 % with 1,024 unlabelled inputs): give --calibration and leave --init as it is",
)
_SYNTHETIC = Remark(
    "synthetic-calibration",
    "the factors are fitted to synthetic pictures, for want of data: a ResNet-20 of 86.7 % came to 81.5 % at rank 2 "
    "and 85.1 % at rank 3, with 1,024 unlabelled inputs of its own kind to 83.5 % and 85.4 %: give --calibration DATA",
)
_NO_LABELS = Remark(
    "no-labels", "no --labels: the outputs are compared with the original's, how right they are is not known"
)
NO_FEWER_MACS = Remark("no-fewer-macs", "at this rank the new convolutions cost as much as the old ones, or more")
_JUDGED_ON_CALIBRATION = Remark(
    "judged-on-calibration",
    "no --eval data: the outputs are compared on the calibration inputs, which flatters the converted model",
)
_JUDGED_ON_SYNTHETIC = Remark(
    "judged-on-synthetic",
    "no --eval data: the outputs are compared on synthetic pictures, other ones than the fit's, and no real input was "
    "seen (a ResNet-20 at rank 2 kept the class of 74 % of such pictures, and of 88 % of real ones)",
)


def is_synthetic(batches: Batches | None) -> bool:
    """Whether these are pictures drawn by convprof."""
    return batches is not None and batches.what == SYNTHETIC


def of_fit(opened: Model, seen: Batches | None, preprocess: str | None) -> tuple[Remark, ...]:
    """What the user should know of what the factors are fitted to."""
    if seen is None:
        return (WEIGHTS_ONLY,)
    if not is_synthetic(seen):
        return ()
    if preprocess is not None:
        return (_SYNTHETIC,)
    assumed = assumed_preprocess(opened.inputs[0])
    text = f"no --preprocess: the pictures are fed as by --preprocess {assumed}, a guess: say how yours are fed"
    return _SYNTHETIC, Remark("assumed-preprocess", text)


def of_judging(calibration: Batches | None, evaluation: str | None, labels: str | None) -> tuple[Remark, ...]:
    """What the user should know of what the outputs are compared on."""
    if evaluation is not None:
        return () if labels is not None else (_NO_LABELS,)
    if calibration is None:
        return ()
    return (_JUDGED_ON_SYNTHETIC if is_synthetic(calibration) else _JUDGED_ON_CALIBRATION,)

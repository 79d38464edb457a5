"""A small model to price, and a pricing that takes no time."""

from __future__ import annotations

from pathlib import Path

from convprof import analysis, execution
from convprof.graph import Model
from convprof.records.analysis import Analysis
from convprof.runtime import Effort

MODEL = Path(__file__).parents[2] / "sample_models" / "digits_vgg.onnx"
QUICK = Effort(rounds=2, visit=0.0, fewest=1)


def opened(path: Path = MODEL) -> tuple[Model, Analysis]:
    model = execution.settle(execution.load(path), {}, {}, {})
    return model, analysis.analyze(model, max_rank=0)

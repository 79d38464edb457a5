"""Section `emission`: one chain written in three ways, in a whole network."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import networks
import numpy as np
from fits.parts import Aim, Part, Raw
from fits.trained import Setting
from writing import Page

from convprof import analysis, execution, planning, pricing
from convprof.forms import FORMS
from convprof.stats.comparison import paired_ratio
from convprof.stats.samples import Sample
from plans.workshop import Workshop

_NETWORK = "ResNet-18"
_SIDE, _TRIAL_SIDE = 224, 64
_FORM, _RANK = "depthwise-pointwise", 2
_KERNEL = (3, 3)
_SECONDS, _TRIAL_SECONDS = 60.0, 1.0
_OVER_DENSE, _OVER_MULTIPLIER = 2.4, 1.5


def _measure(setting: Setting) -> Raw:
    path = setting.folder / "model.onnx"
    side = _TRIAL_SIDE if setting.trial else _SIDE
    networks.export(networks.build(_NETWORK), side, path)
    model = execution.settle(execution.load(path), {}, {}, {})
    counted = analysis.analyze(model, max_rank=0)
    convs = [conv for conv in planning.select(counted, (), ()) if conv.kernel_shape == _KERNEL]
    shop = Workshop(model, counted, convs, None, setting.folder / "shop", trial=setting.trial)
    emissions = FORMS[_FORM].emissions
    plans = [planning.uniform(counted, convs, _FORM, (_RANK,), emission) for emission in emissions]
    with TemporaryDirectory(dir=setting.folder) as folder:
        paths = []
        for emission, plan in zip(emissions, plans, strict=True):
            place = Path(folder) / emission
            place.mkdir()
            paths.append(pricing.stand_in(model, plan.layers, place))
        found = shop.timed(paths, _TRIAL_SECONDS if setting.trial else _SECONDS)
    samples = {
        name: Sample(np.array(times.samples_ms))
        for name, times in zip(("dense", *emissions), found.models, strict=True)
    }
    ratios = {
        f"{one} over {other}": paired_ratio(samples[other], samples[one], 0)
        for one, other in (("sum", "dense"), ("concat", "dense"), ("multiplier", "dense"), ("sum", "multiplier"))
    }
    return {
        "side": side,
        "layers": len(convs),
        "rounds": len(samples["dense"]),
        "ms": {name: float(np.median(sample.values)) for name, sample in samples.items()},
        "ratios": ratios,
        "cautions": [caution.text for caution in found.cautions],
    }


def _tell(page: Page, data: Raw) -> list[Aim]:
    page.say(
        f"{_NETWORK} with random weights at {data['side']}x{data['side']}, {_FORM} at rank {_RANK} in its "
        f"{data['layers']} convolutions of 3x3, the stem and the shortcuts left as they are. One thread, "
        f"{data['rounds']:,} interleaved rounds."
    )
    page.table(("written as", "median, ms"), [(name, f"{ms:.2f}") for name, ms in data["ms"].items()])
    page.table(
        ("speed", "times", "95 %"),
        [(name, f"{ratio:.2f}", f"{low:.2f} to {high:.2f}") for name, (ratio, (low, high)) in data["ratios"].items()],
    )
    if data["cautions"]:
        page.notes(data["cautions"])
    ratios = data["ratios"]
    return [
        Aim(f"{_NETWORK} at rank {_RANK}: speed of `sum` over dense", _OVER_DENSE, ratios["sum over dense"][0]),
        Aim(
            f"{_NETWORK} at rank {_RANK}: speed of `sum` over `multiplier`",
            _OVER_MULTIPLIER,
            ratios["sum over multiplier"][0],
        ),
    ]


PARTS = (Part("emission", f"One chain, three ways to write it: {_NETWORK}", _measure, _tell),)

"""Section `resnet18`: how long a fit takes, counted in forward passes, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import networks
from writing import Page

from fits.parts import Aim, Part, Raw
from fits.trained import Setting

_NETWORK = "ResNet-18"
_SIDE = 224
_INPUTS = 256
_RANK = 2
_AIM = 4.0


def _measure(setting: Setting) -> Raw:
    model = setting.folder / "resnet18.onnx"
    networks.export(networks.build(_NETWORK), _SIDE, model)
    timing = Path(__file__).with_name("timing.py")
    command = [sys.executable, str(timing), str(model), str(setting.most(_INPUTS)), str(_RANK), str(setting.folder)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=alone).stdout
    found: Raw = json.loads(said)
    return found


def _tell(page: Page, data: Raw) -> list[Aim]:
    forward = data["original"] + data["converted"]
    page.say(
        f"{_NETWORK} with random weights at {_SIDE}x{_SIDE}, {data['inputs']} pictures of smoothed noise, "
        f"depthwise-pointwise at rank {_RANK} in {data['layers']} convolutions. Processor seconds on one thread, in a "
        "process of its own. A pass is one run of the original and one of the converted network over all inputs, "
        f"{data['original']:.1f} + {data['converted']:.1f} s, one input at a time, as the file asks for."
    )
    rest = data["fit"] - sum(data["parts"].values())
    parts = {"the whole fit": data["fit"], **data["parts"], "everything else": rest}
    page.table(
        ("part", "CPU s", "passes", "share"),
        [(n, f"{s:.1f}", f"{s / forward:.2f}", f"{100 * s / data['fit']:.0f} %") for n, s in parts.items()],
    )
    page.say(
        f"Largest memory of the process: {data['megabytes']:,.0f} MB. The shares were taken by a profiler in the same "
        "run, which slows it by a few per cent at most."
    )
    return [Aim(f"{_NETWORK}: the fit, in passes, at most", _AIM, data["fit"] / forward, at_most=True)]


PARTS = (Part("resnet18", "The time of a fit: ResNet-18", _measure, _tell),)

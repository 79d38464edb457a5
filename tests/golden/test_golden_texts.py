"""The graph that each form emits, and the analysis of a tiny model, as texts that a change must change on purpose.

To write them anew: `CONVPROF_WRITE_GOLDEN=1 python -m pytest tests/golden`, then read the difference before committing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import convprof
from convprof.forms import FORMS
from convprof.records.files import encode
from convprof.records.plan import Emission

HERE = Path(__file__).parent
CHOICES = [(name, emission) for name, form in FORMS.items() for emission in form.emissions]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One conv with BatchNormalization that is replaced, and one that is not."""
    monkeypatch.chdir(tmp_path)
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17], producer_name: "tiny">
        g (float[N, 2, 6, 6] x) => (float[N, 4, 3, 3] y) {
            [conv1] a = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, w)
            n = BatchNormalization(a, s, s, s, s)
            [relu1] r = Relu(n)
            [conv2] y = Conv(r, v)
        }"""
    )
    # Whole numbers: their factors differ between machines in the last digits, and are not shown.
    kernel = (np.arange(72) % 7 - 3).astype(np.float32).reshape(4, 2, 3, 3)
    arrays = {"w": kernel, "v": np.ones((4, 4, 1, 1), np.float32), "s": np.ones(4, np.float32)}
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    onnx.save(proto, "tiny.onnx")
    return Path("tiny.onnx")


def compare(name: str, text: str) -> None:
    path = HERE / name
    if os.environ.get("CONVPROF_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} differs; see the head of {Path(__file__).name}"


def shown(path: Path) -> str:
    """The graph as text, each initialiser with its type and shape but without its values."""
    proto = onnx.load(path)
    weights = [
        f"{tensor.name}: {onnx.TensorProto.DataType.Name(tensor.data_type)}{list(tensor.dims)}"
        for tensor in proto.graph.initializer
    ]
    del proto.graph.initializer[:]
    for entry in proto.metadata_props:
        note = json.loads(entry.value)
        entry.value = json.dumps({**note, "version": "...", "source_sha256": "...", "figures": "..."})
    return "\n".join([onnx.printer.to_text(proto), "", "initialisers:", *weights, ""])


@pytest.mark.parametrize(("form", "emission"), CHOICES)
def test_the_emitted_graph(model: Path, form: str, emission: Emission) -> None:
    rank = (2, 2) if form == "tucker2" else (2,)
    convprof.rewrite(model, "out.onnx", form=form, rank=rank, emission=emission, only=["conv1"])
    compare(f"{form}.{emission}.txt", shown(Path("out.onnx")))


def test_the_analysis(model: Path) -> None:
    found = json.loads(encode(convprof.analyze(model, max_rank=2)))
    found["convprof"] = found["model"]["sha256"] = "..."
    for conv in found["convs"]:
        for option in conv["forms"]:
            option |= {key: round(option[key], 4) for key in ("energy", "energy_random")}
    compare("analysis.json", json.dumps(found, indent=2) + "\n")

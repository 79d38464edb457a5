"""Models in int8: how close, from which files and data, and how it fails."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper, parser

from convprof import pipeline
from convprof.errors import ConvprofError, DataError, ModelError, OutputError, UsageError
from convprof.runtime import open_session, quantize

Arrays = dict[str, NDArray[Any]]
TWO = "a = Conv(x, w)  r = Relu(a)  y = Conv(r, v)"


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(shape) / 3).astype(np.float32)


WEIGHTS: Arrays = {"w": noise(4, 3, 3, 3), "v": noise(4, 4, 3, 3, seed=1)}
NORM: Arrays = {"g": np.abs(noise(4)) + 1, "b": noise(4, seed=2), "m": noise(4, seed=3), "s": np.abs(noise(4)) + 1}


def model(text: str = TWO, weights: Arrays = WEIGHTS, *, opset: int = 17, batch: str = "N") -> onnx.ModelProto:
    ends = f"(float[{batch}, 3, 8, 8] x) => (float[{batch}, b, c, d] y)"
    made = parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> g {ends} {{ {text} }}')
    made.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return made


def place(folder: Path, made: onnx.ModelProto, count: int = 12, **kept: Any) -> tuple[Path, str]:
    """The model in a file, and a file of data for it."""
    onnx.save(made, folder / "float.onnx", **kept)
    np.savez(folder / "data.npz", allow_pickle=False, x=noise(count, 3, 8, 8, seed=5))
    return folder / "float.onnx", str(folder / "data.npz")


def error(before: Path, after: Path, batch: int = 2) -> float:
    """Relative error of the outputs on inputs that the calibration had not."""
    feeds = {"x": noise(batch, 3, 8, 8, seed=6)}
    (a,), (b,) = (list(open_session(path).run(feeds).values()) for path in (before, after))
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


@pytest.mark.parametrize(
    ("weight", "attributes"),
    [
        ((4, 3, 3, 3), "pads = [1, 1, 1, 1]"),
        ((6, 1, 3, 2), "group = 3, strides = [2, 1], pads = [0, 1, 1, 0]"),
        ((5, 3, 2, 2), "dilations = [2, 3], strides = [1, 2]"),
    ],
)
def test_rounded_weights_leave_the_mean_response(tmp_path: Path, weight: tuple[int, ...], attributes: str) -> None:
    """On inputs with a mean, one outlier a channel costs the other weights their precision."""
    kernel = noise(*weight) / 50
    kernel[:, 0, 0, 0] = 4
    path, _ = place(tmp_path, model(f"y = Conv <{attributes}> (x, w)", {"w": kernel}))
    feeds = {"x": 1 + noise(40, 3, 8, 8, seed=7)}
    np.savez(tmp_path / "data.npz", allow_pickle=False, **feeds)
    pipeline.quantize(path, tmp_path / "int8.onnx", calibration=str(tmp_path / "data.npz"))
    (a,), (b,) = (list(open_session(each).run(feeds).values()) for each in (path, tmp_path / "int8.onnx"))
    step = (a.max() - a.min()) / 255
    assert np.abs((b - a).mean(axis=(0, 2, 3))).max() < step / 4


@pytest.mark.parametrize("opset", [7, 11, 12, 13, 17, 21])
def test_every_version_of_onnx_has_a_scale_for_each_channel(tmp_path: Path, opset: int) -> None:
    path, data = place(tmp_path, model(opset=opset))
    found = pipeline.quantize(path, tmp_path / "int8.onnx", calibration=data)
    assert error(path, tmp_path / "int8.onnx") < 0.03
    assert (found.samples, found.bytes_before) == (12, path.stat().st_size)
    assert found.bytes_after == (tmp_path / "int8.onnx").stat().st_size
    stored = {each.name: each for each in onnx.load(tmp_path / "int8.onnx").graph.initializer}
    assert stored["w_scale"].dims == [4]
    assert stored["w_quantized"].data_type == onnx.TensorProto.INT8
    assert stored["x_zero_point"].data_type == onnx.TensorProto.UINT8


@pytest.mark.parametrize(
    "text",
    [
        "a = Conv(x, w)  n = BatchNormalization(a, g, b, m, s)  r = Relu(n)  y = Conv(r, v)",
        "k = Identity(w)  a = Conv(x, k)  r = Relu(a)  y = Conv(r, v)",
        "a = Conv(x, w)  r = LeakyRelu(a)  y = ConvTranspose(r, v)",
    ],
)
def test_norms_are_folded_and_activations_absorbed_where_they_can_be(tmp_path: Path, text: str) -> None:
    path, data = place(tmp_path, model(text, WEIGHTS | (NORM if "Norm" in text else {})))
    pipeline.quantize(path, tmp_path / "int8.onnx", calibration=data)
    assert error(path, tmp_path / "int8.onnx") < 0.04
    left = {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}
    assert left <= {"QuantizeLinear", "DequantizeLinear", "Conv", "ConvTranspose", "LeakyRelu"}


def test_a_fixed_batch_and_external_data(tmp_path: Path) -> None:
    kept = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    path, data = place(tmp_path, model(batch="4"), count=11, **kept)
    (tmp_path / "out").mkdir()
    found = pipeline.quantize(path, tmp_path / "out" / "int8.onnx", calibration=data)
    assert found.samples == 8
    assert found.bytes_before == path.stat().st_size + (tmp_path / "weights.bin").stat().st_size
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["int8.onnx"]
    assert error(path, tmp_path / "out" / "int8.onnx", batch=4) < 0.03


def test_at_most_some_of_the_inputs_are_looked_at_and_fewer_of_large_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = place(tmp_path, model(), count=300)
    assert pipeline.quantize(path, tmp_path / "int8.onnx", calibration=data).samples == 256
    monkeypatch.setattr("convprof.execution.chunking._LARGEST_FEEDS", 7 * 3 * 8 * 8 * 4)
    assert pipeline.quantize(path, tmp_path / "int8.onnx", calibration=data).samples == 7


def test_calibration_takes_feeds_one_by_one(tmp_path: Path) -> None:
    seen: list[int] = []

    def feeds() -> Iterator[Arrays]:
        for number in range(3):
            seen.append(number)
            yield {"x": noise(2, 3, 8, 8, seed=number)}

    quantize(model().SerializeToString(), 17, feeds(), tmp_path / "int8.onnx", "model")
    assert seen == [0, 1, 2]


def test_the_loggers_and_streams_are_left_as_they_were(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = logging.getLogger(), sys.stdout
    monkeypatch.setattr(root, "handlers", [])
    path, data = place(tmp_path, model(weights={"w": WEIGHTS["w"], "v": np.float32("nan") * WEIGHTS["v"]}))
    with pytest.raises(ModelError):
        pipeline.quantize(path, tmp_path / "int8.onnx", calibration=data)
    pipeline.quantize(place(tmp_path, model())[0], tmp_path / "int8.onnx", calibration=data)
    assert capfd.readouterr() == ("", "")
    assert (root.handlers, root.filters, sys.stdout) == ([], [], out)


REFUSED: dict[str, tuple[onnx.ModelProto, type[ConvprofError], str]] = {
    "nothing in it is a convolution": (model("y = Relu(x)", {}), ModelError, "no operator in it has an int8 form"),
    "weights that are no numbers": (
        model(weights={n: np.full_like(w, np.inf) for n, w in WEIGHTS.items()}),
        ModelError,
        "quantised",
    ),
    "a batch above the data": (model(batch="50"), DataError, "do not fill the model's batch of 50"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_quantised_is_one_error_and_no_file(tmp_path: Path, case: str) -> None:
    made, kind, why = REFUSED[case]
    path, data = place(tmp_path, made)
    with pytest.raises(kind, match=why):
        pipeline.quantize(path, tmp_path / "out" / "int8.onnx", calibration=data)
    assert not (tmp_path / "out").exists()


def test_what_is_int8_already_is_refused_by_every_verb_that_writes(tmp_path: Path) -> None:
    path, data = place(tmp_path, model())
    made = tmp_path / "int8.onnx"
    pipeline.quantize(path, made, calibration=data)
    with pytest.raises(ModelError, match="quantised already"):
        pipeline.quantize(made, tmp_path / "twice.onnx", calibration=data)
    with pytest.raises(ConvprofError, match="no conv is left to convert"):
        pipeline.rewrite(made, tmp_path / "twice.onnx", form="spatial", rank=(1,), calibration=data)
    assert not (tmp_path / "twice.onnx").exists()
    reasons = [conv.reason for conv in pipeline.analyze(made).convs]
    assert [reason.code if reason else None for reason in reasons] == ["quantized", "quantized"]


def test_without_data_pictures_are_drawn_and_other_models_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convprof.data.synthetic.PICTURES", 8)
    path, _ = place(tmp_path, model())
    assert pipeline.quantize(path, tmp_path / "int8.onnx").samples == 8
    wide = model("y = Conv(x, w)", {"w": noise(4, 5, 3, 3)})
    wide.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    with pytest.raises(UsageError, match="give --calibration"):
        pipeline.quantize(place(tmp_path, wide)[0], tmp_path / "none.onnx")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    path, data = place(tmp_path, model())
    with pytest.raises(OutputError, match="the model being read"):
        pipeline.quantize(path, path, calibration=data)
    with pytest.raises(OutputError, match="No such file"):
        quantize(model().SerializeToString(), 17, [], tmp_path / "lost" / "int8.onnx", "model")

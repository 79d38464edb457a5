"""A fit gets through graphs that are no chain: several inputs and outputs, branches, upsampling, a recurrent tail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import convprof

TEXT = """
<ir_version: 8, opset_import: ["": 17]>
branches (float[N, 3, 12, 12] a, float[N, 2, 12, 12] b) => (float[L, 1, N, 16] y, float[N, 8, 12, 12] map,
                                                          float[N, 4, 24, 24] up)
<float[4] scales = {1.0, 1.0, 2.0, 2.0}, int64[1] two = {2}>
{
  c1 = Conv <pads = [1, 1, 1, 1]> (a, w1, b1)
  g1 = Sigmoid (c1)
  r1 = Mul (c1, g1)
  c2 = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (r1, w2, b2)
  r2 = LeakyRelu <alpha = 0.1> (c2)
  u2 = Resize <mode = "nearest"> (r2, , scales)
  cat = Concat <axis = 1> (r1, u2)
  c3 = Conv <pads = [1, 1, 1, 1]> (cat, w3, b3)
  r3 = Relu (c3)
  d1 = Conv <pads = [1, 1, 1, 1]> (b, w4, b4)
  e1 = Tanh (d1)
  sum = Add (r3, e1)
  map = Conv <pads = [1, 1, 1, 1]> (sum, w5, b5)
  up = ConvTranspose <strides = [2, 2]> (r3, wt)
  p = MaxPool <kernel_shape = [12, 1], strides = [12, 1]> (map)
  q = Squeeze (p, two)
  sequence = Transpose <perm = [2, 0, 1]> (q)
  y = LSTM <hidden_size = 16> (sequence, W, R)
}
"""
SHAPES = {
    "w1": (16, 3, 3, 3),
    "w2": (16, 16, 3, 3),
    "w3": (16, 32, 3, 3),
    "w4": (16, 2, 3, 3),
    "w5": (8, 16, 3, 3),
    "wt": (16, 4, 2, 2),
    "W": (1, 64, 8),
    "R": (1, 64, 16),
}


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    random = np.random.default_rng(0)
    arrays = {name: random.standard_normal(s) / np.sqrt(np.prod(s[1:])) for name, s in SHAPES.items()}
    arrays |= {f"b{n}": random.standard_normal(SHAPES[f"w{n}"][0]) for n in range(1, 6)}
    proto = onnx.parser.parse_model(TEXT)
    proto.graph.initializer.extend(numpy_helper.from_array(v.astype(np.float32), name) for name, v in arrays.items())
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    inputs = {name: np.cumsum(random.standard_normal((60, c, 12, 12)), axis=3) / 2 for name, c in (("a", 3), ("b", 2))}
    np.savez(folder / "data.npz", allow_pickle=False, **{name: v.astype(np.float32) for name, v in inputs.items()})
    return folder


@pytest.mark.parametrize(
    ("form", "rank"), [("depthwise-pointwise", (2,)), ("tucker2", (8, 8)), ("pointwise-depthwise-pointwise", (16,))]
)
def test_every_output_comes_closer_by_the_fit(folder: Path, form: str, rank: tuple[int, ...]) -> None:
    errors = {}
    for init in ("weights", "calibrated"):
        rewriting = convprof.rewrite(
            folder / "model.onnx",
            folder / f"{init}.onnx",
            form=form,
            rank=rank,
            init=init,
            calibration=str(folder / "data.npz"),
        )
        compared = convprof.verify(folder / "model.onnx", folder / f"{init}.onnx", str(folder / "data.npz"))
        errors[init] = {each.name: each.relative_l2 for each in compared.outputs}
    assert len(rewriting.fits) == 5
    for fit in rewriting.fits:
        assert fit.error is not None
        assert fit.error_weights is not None
        assert fit.error <= fit.error_weights
    for name, error in errors["weights"].items():
        after = errors["calibrated"][name]
        assert error is not None
        assert after is not None
        assert after < error
    assert errors["weights"].keys() == {"y", "map", "up"}

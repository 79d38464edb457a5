"""Small networks with the plans, the data and the models that the tests of the fit need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from convprof import execution, graph, rewriting
from convprof.data import Batches, open_data
from convprof.graph import Model
from convprof.records.plan import Plan, PlannedLayer

RESIDUAL = """g (float[N, 3, 10, 10] x) => (float[N, 5] y, float[N, 6, 10, 10] early) {
    a = C(x, w0)  r = Relu(a)
    b = C(r, w1)  s = Relu(b)  c = C(s, w2)  early = Add(c, r)  t = Relu(early)
    d = C(t, w3)  u = Relu(d)  e = C(u, w4)  f = Add(e, t)  v = Relu(f)
    p = GlobalAveragePool(v)  q = Flatten(p)  y = Gemm(q, k)
}"""


def noise(*shape: int, seed: int = 0) -> NDArray[Any]:
    return (np.random.default_rng(seed).standard_normal(shape) / 3).astype(np.float32)


def model(folder: Path, text: str = RESIDUAL) -> Model:
    body = text.replace("C(", "Conv <pads = [1, 1, 1, 1]> (")
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{body}')
    weights = {"w0": noise(6, 3, 3, 3), **{f"w{n}": noise(6, 6, 3, 3, seed=n) for n in range(1, 5)}, "k": noise(6, 5)}
    proto.graph.initializer.extend(numpy_helper.from_array(each, name) for name, each in weights.items())
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return execution.settle(execution.load(path), {}, {}, {})


def plan(dense: Model, *names: str, form: str = "depthwise-pointwise", rank: tuple[int, ...] = (1,)) -> Plan:
    wanted = names or tuple(conv.name for conv in graph.find_convs(dense))
    return Plan("convprof.plan/1", dense.file, tuple(PlannedLayer(name, form, rank) for name in wanted))


def pictures(folder: Path, dense: Model, count: int = 70) -> Batches:
    smooth = np.cumsum(np.random.default_rng(9).standard_normal((count, 3, 10, 10)), axis=3).astype(np.float32)
    np.savez(folder / "data.npz", allow_pickle=False, x=smooth)
    return open_data(str(folder / "data.npz"), graph.declared_inputs(dense.program))


def prepared(folder: Path, text: str = RESIDUAL) -> tuple[Model, Plan, Batches]:
    """A model, a plan for all its convs, and data."""
    dense = model(folder, text)
    chosen = plan(dense)
    return rewriting.prepare(dense, chosen), chosen, pictures(folder, dense)

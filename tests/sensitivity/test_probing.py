from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from convprof import execution
from convprof.data import Batches, open_data
from convprof.forms import FORMS
from convprof.graph import Model, find_convs
from convprof.records.convs import Rank
from convprof.records.damage import Damage, Sensitivity
from convprof.runtime import RunOptions, open_session
from convprof.sensitivity import survey
from convprof.sensitivity.probing import Probes
from convprof.stats.comparison import relative_square

_CLASSIFIER = "float[N, 5] y"
_PICTURE = "float[N, 6, 8, 8] v"
_TEXT = """<ir_version: 8, opset_import: ["": 17]>
g (float[N, 3, 8, 8] x) => (OUTPUT) {
    a = Conv <pads = [1, 1, 1, 1]> (x, w0, b0)  r = Relu(a)
    b = Conv <pads = [1, 1, 1, 1]> (r, w1)  t = Add(b, r)  v = Relu(t)
    p = GlobalAveragePool(v)  q = Flatten(p)  y = Gemm(q, k)
}"""
_SHAPES = {"w0": (6, 3, 3, 3), "b0": (6,), "w1": (6, 6, 3, 3), "k": (6, 5)}


def _weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape).astype(np.float32) / 2 for name, shape in _SHAPES.items()}


def _proto(output: str, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    proto = onnx.parser.parse_model(_TEXT.replace("OUTPUT", output))
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    return proto


def _opened(folder: Path, output: str) -> tuple[Model, Batches]:
    onnx.save(_proto(output, _weights()), folder / "model.onnx")
    model = execution.settle(execution.load(folder / "model.onnx"), {}, {"N": 1}, {})
    samples = np.random.default_rng(1).standard_normal((20, 3, 8, 8)).astype(np.float32)
    np.savez(folder / "data.npz", x=samples)
    return model, open_data(str(folder / "data.npz"), model.inputs)


def _surveyed(model: Model, batches: Batches, known: tuple[Sensitivity, ...] = ()) -> Damage:
    offers: dict[str, list[tuple[str, Rank]]] = {
        conv.name: [(name, rank) for name, form in FORMS.items() for rank in form.ranks(conv.known_site)]
        for conv in find_convs(model)
    }
    return survey(model, offers, batches, options=RunOptions(), seed=0, known=known)


@pytest.mark.parametrize("output", [_CLASSIFIER, _PICTURE])
def test_a_probe_is_the_whole_model_with_one_layer_changed(tmp_path: Path, output: str) -> None:
    model, batches = _opened(tmp_path, output)
    probes = Probes(model, batches, RunOptions(), None)
    random = np.random.default_rng(2)
    wanted = []
    before = open_session(_proto(output, _weights()).SerializeToString()).run(batches.first(20))
    for conv, names in zip(find_convs(model), (("w0", "b0"), ("w1", None)), strict=True):
        weights = _weights()
        kernel = weights[names[0]] + random.standard_normal(_SHAPES[names[0]]) / 20
        bias = np.zeros(6)
        weights[names[0]] = kernel.astype(np.float32)
        if names[1]:
            weights[names[1]] = bias.astype(np.float32)
        after = open_session(_proto(output, weights).SerializeToString()).run(batches.first(20))
        name = next(iter(before))
        wanted.append(relative_square(before[name], after[name]))
        probes.disturb(conv, kernel, bias)
    assert probes.damages() == pytest.approx(wanted, rel=1e-4)


def test_every_layer_has_a_sensitivity_of_one_of_its_candidates(tmp_path: Path) -> None:
    model, batches = _opened(tmp_path, _CLASSIFIER)
    damage = _surveyed(model, batches)
    errors = {(each.name, each.form, each.rank): each.error for each in damage.candidates}
    assert [each.name for each in damage.sensitivities] == [conv.name for conv in find_convs(model)]
    for each in damage.sensitivities:
        assert each.error == pytest.approx(errors[each.name, each.form, each.rank], rel=0.5)
        assert each.damage > 0


def test_known_sensitivities_are_taken_over_and_the_rest_is_the_same(tmp_path: Path) -> None:
    model, batches = _opened(tmp_path, _CLASSIFIER)
    whole = _surveyed(model, batches)
    for known in (whole.sensitivities[:1], whole.sensitivities[1:], whole.sensitivities):
        assert _surveyed(model, batches, known) == whole

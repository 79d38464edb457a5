from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from convprof import execution
from convprof.data import open_data
from convprof.errors import DataError
from convprof.forms import FORMS
from convprof.graph import Model, find_convs
from convprof.macs import chain_macs, chain_parameters
from convprof.records.convs import Rank
from convprof.records.damage import Candidate, Damage
from convprof.runtime import RunOptions
from convprof.sensitivity import survey

_LAYERS = ("first", "second")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Two 3x3 convs with a Relu between, and a 1x1 conv that no form takes."""
    random = np.random.default_rng(0)
    shapes = {"first": (8, 3, 3, 3), "second": (6, 8, 3, 3), "third": (4, 6, 1, 1)}
    weights = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), f"w_{name}")
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w_first"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Conv", ["b", "w_second"], ["c"], name="second", strides=[2, 2]),
        helper.make_node("Conv", ["c", "w_third"], ["y"], name="third"),
    ]
    graph = helper.make_graph(
        nodes,
        "three convs",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return execution.settle(execution.load(path), {}, {"N": 1}, {})


def _survey(model: Model, tmp_path: Path, inputs: NDArray[np.floating] | None, forms: tuple[str, ...]) -> Damage:
    batches = None
    if inputs is not None:
        np.savez(tmp_path / "data.npz", x=inputs.astype(np.float32))
        batches = open_data(str(tmp_path / "data.npz"), model.inputs)
    return survey(model, _offers(model, forms), batches, options=RunOptions(), seed=0)


def _offers(model: Model, forms: tuple[str, ...]) -> dict[str, list[tuple[str, Rank]]]:
    """Everything that the forms offer for the layers that some form takes."""
    sites = {conv.name: conv.known_site for conv in find_convs(model) if conv.name in _LAYERS}
    return {
        layer: [(form, rank) for form in forms for rank in FORMS[form].ranks(site)] for layer, site in sites.items()
    }


def _smooth(samples: int) -> NDArray[np.float64]:
    return np.cumsum(np.cumsum(np.random.default_rng(1).standard_normal((samples, 3, 10, 10)), axis=2), axis=3)


def _errors(damage: Damage, layer: str, form: str) -> list[float]:
    return [c.error for c in damage.candidates if (c.name, c.form) == (layer, form)]


def test_every_form_at_every_rank_it_offers_is_priced(model: Model, tmp_path: Path) -> None:
    damage = _survey(model, tmp_path, _smooth(20), tuple(FORMS))
    convs = {conv.name: conv.known_site for conv in find_convs(model)}
    wanted = [
        Candidate(layer, name, rank, chain_macs(chain, convs[layer]), chain_parameters(chain), 0.0)
        for layer in _LAYERS
        for name, form in FORMS.items()
        for rank in form.ranks(convs[layer])
        for chain in [form.chain(convs[layer].spec, rank)]
    ]
    assert [(c.name, c.form, c.rank, c.macs, c.parameters) for c in damage.candidates] == [
        (c.name, c.form, c.rank, c.macs, c.parameters) for c in wanted
    ]
    assert damage.data_aware


@pytest.mark.parametrize("data", [True, False])
def test_errors_are_shares_that_hardly_rise_with_the_rank(model: Model, tmp_path: Path, data: bool) -> None:
    damage = _survey(model, tmp_path, _smooth(30) if data else None, tuple(FORMS))
    assert all(0 <= c.error < 1 for c in damage.candidates)
    for layer in _LAYERS:
        for form in FORMS:
            assert all(after <= before * 1.2 + 1e-9 for before, after in pairwise(_errors(damage, layer, form)))


def test_without_data_the_error_is_the_energy_lost(model: Model, tmp_path: Path) -> None:
    damage = _survey(model, tmp_path, None, tuple(FORMS))
    assert not damage.data_aware
    convs = {conv.name: conv for conv in find_convs(model)}
    for candidate in damage.candidates:
        kernel = convs[candidate.name].kernel().astype(np.float64)
        energy = FORMS[candidate.form].energy(kernel, [candidate.rank])[0]
        assert candidate.error == pytest.approx(1 - energy)


def test_with_white_noise_the_first_layer_loses_the_energy_lost(model: Model, tmp_path: Path) -> None:
    noise = np.random.default_rng(2).standard_normal((400, 3, 10, 10))
    measured = _survey(model, tmp_path, noise, ("depthwise-pointwise",))
    lost = _survey(model, tmp_path, None, ("depthwise-pointwise",))
    found = _errors(measured, "first", "depthwise-pointwise")
    np.testing.assert_allclose(found, _errors(lost, "first", "depthwise-pointwise"), rtol=0.15)


def test_correlated_inputs_are_reproduced_better_than_white_ones(model: Model, tmp_path: Path) -> None:
    smooth = _survey(model, tmp_path, _smooth(60), ("depthwise-pointwise",))
    lost = _survey(model, tmp_path, None, ("depthwise-pointwise",))
    form = "depthwise-pointwise"
    assert _errors(smooth, "first", form)[0] < 0.5 * _errors(lost, "first", form)[0]


def test_constant_inputs_give_numbers(model: Model, tmp_path: Path) -> None:
    for level in (0.0, 0.1):
        damage = _survey(model, tmp_path, np.full((5, 3, 10, 10), level), tuple(FORMS))
        assert all(0 <= c.error <= 1 for c in damage.candidates)


def test_activations_that_overflow_are_a_data_error(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="NaN or infinity"):
        _survey(model, tmp_path, np.full((5, 3, 10, 10), 3e38), tuple(FORMS))

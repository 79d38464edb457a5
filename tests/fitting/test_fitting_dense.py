"""Convs that stay dense behind converted ones are refitted: they repair, and cost what they cost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from networks import model, pictures, plan
from test_fitting_memory import same

import convprof
from convprof import fitting, rewriting
from convprof.analysis import analyze
from convprof.execution import load, settle
from convprof.graph import Model, layer_name
from convprof.records.factors import FittedConv
from convprof.records.plan import Plan, PlannedLayer
from convprof.records.run import Rewriting
from convprof.runtime import RunOptions

OPTIONS = RunOptions()


def mixed(dense: Model) -> Plan:
    """The second and the fourth of five convs converted, the third and the last refitted."""
    converted = plan(dense, "b", "d")
    refitted = tuple(PlannedLayer(name, "dense", ()) for name in ("c", "e"))
    return msgspec.structs.replace(converted, layers=(*converted.layers, *refitted))


def rewritten(folder: Path, chosen: Plan, name: str, init: str = "calibrated") -> Rewriting:
    data = str(folder / "data.npz")
    return convprof.rewrite(folder / "model.onnx", folder / name, plan=chosen, calibration=data, init=init)


def error(folder: Path, name: str) -> float:
    found = convprof.verify(folder / "model.onnx", folder / name, str(folder / "data.npz"))
    return max(output.relative_l2 or 0.0 for output in found.outputs)


@pytest.mark.parametrize("count", [300, 24])
def test_refitted_convs_repair_at_no_cost(tmp_path: Path, count: int) -> None:
    dense = model(tmp_path)
    pictures(tmp_path, dense, count)
    plain = rewritten(tmp_path, plan(dense, "b", "d"), "plain.onnx")
    better = rewritten(tmp_path, mixed(dense), "better.onnx")
    assert error(tmp_path, "better.onnx") < 0.95 * error(tmp_path, "plain.onnx")
    for fit in better.fits:
        assert fit.error is not None
        assert fit.error_weights is not None
        assert fit.error < fit.error_weights
    assert [fit.name for fit in plain.fits] == ["b", "d"]
    original, before, after = (
        analyze(settle(load(tmp_path / name), {}, {}, {}), max_rank=0)
        for name in ("model.onnx", "plain.onnx", "better.onnx")
    )
    assert after.totals.macs == before.totals.macs
    names = {conv.name for conv in original.convs}
    work = {layer_name(conv.name, names): conv.macs for conv in after.convs}
    assert all(work[conv.name] == conv.macs for conv in original.convs if conv.name in ("a", "c", "e"))
    kinds = [[node.op_type for node in onnx.load(tmp_path / name).graph.node] for name in ("plain.onnx", "better.onnx")]
    assert kinds[0] == kinds[1]


def test_without_data_they_stay_what_they_are(tmp_path: Path) -> None:
    dense = model(tmp_path)
    pictures(tmp_path, dense, 2)
    rewritten(tmp_path, plan(dense, "b", "d"), "plain.onnx", "weights")
    rewritten(tmp_path, mixed(dense), "same.onnx", "weights")
    with np.load(tmp_path / "data.npz") as stored:
        feeds = dict(stored)
    plain, same = (convprof.runtime.open_session(tmp_path / name).run(feeds) for name in ("plain.onnx", "same.onnx"))
    assert all((plain[name] == same[name]).all() for name in plain)


def test_a_refit_of_what_sees_what_it_always_saw_changes_nothing(tmp_path: Path) -> None:
    dense = model(tmp_path)
    first = msgspec.structs.replace(plan(dense, "a"), layers=(PlannedLayer("a", "dense", ()),))
    prepared = rewriting.prepare(dense, first)
    (fitted,) = fitting.fit(prepared, first, pictures(tmp_path, dense, 300), options=OPTIONS, seed=0)
    weights = {tensor.name: tensor for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    np.testing.assert_allclose(fitted.factors.weights[0], onnx.numpy_helper.to_array(weights["w0"]), atol=1e-5)


def test_a_fit_that_was_cut_short_goes_on_with_refitted_layers(tmp_path: Path) -> None:
    dense = model(tmp_path)
    chosen, data = mixed(dense), pictures(tmp_path, dense, 24)
    prepared = rewriting.prepare(dense, chosen)

    def fit(resume: bool, stop_after: int | None = None) -> tuple[FittedConv, ...]:
        def progress(what: str, done: int, total: int) -> None:
            if done == stop_after:
                raise KeyboardInterrupt

        with fitting.keep(tmp_path / "out", prepared, chosen, data, OPTIONS, 0, resume) as kept:
            return fitting.fit(prepared, chosen, data, options=OPTIONS, seed=0, kept=kept, progress=progress)

    whole = fit(resume=False)
    with pytest.raises(KeyboardInterrupt):
        fit(resume=False, stop_after=2)
    assert same(fit(resume=True), whole)

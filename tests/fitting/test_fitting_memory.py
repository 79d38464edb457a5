"""A budget for the activations changes where they lie, and not one bit of the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import prepared

from convprof import fitting, sensitivity
from convprof.execution import Walk, chunks
from convprof.forms import FORMS, PLANNABLE
from convprof.graph import find_convs
from convprof.holding import Array, Held, Store
from convprof.records.factors import FittedConv
from convprof.runtime import RunOptions

OPTIONS = RunOptions()
BUDGETS = (0, 100_000, 1_000_000)


class Watched(Store):
    """Notes how much it ever held."""

    def __init__(self, budget: int | None, folder: Path) -> None:
        super().__init__(budget, folder)
        self.most = self.total = self.written = 0

    def put(self, value: Array | Held) -> Held:
        held = super().put(value)
        self.most = max(self.most, self.in_memory)
        if not isinstance(value, Held):
            self.total += held.nbytes
            self.written += held.nbytes if held.path else 0
        return held


def same(a: tuple[FittedConv, ...], b: tuple[FittedConv, ...]) -> bool:
    def bits(layer: FittedConv) -> list[bytes]:
        errors = np.array([layer.error, layer.error_weights, layer.model_error], np.float64)
        return [array.tobytes() for array in (*layer.factors.weights, layer.factors.bias, errors) if array is not None]

    return [bits(each) for each in a] == [bits(each) for each in b]


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_fit_within_a_budget_is_the_same_to_the_bit(tmp_path: Path, budget: int) -> None:
    model, plan, batches = prepared(tmp_path)
    spilled = tmp_path / "spilled"
    spilled.mkdir()
    free = fitting.fit(model, plan, batches, options=OPTIONS, seed=0)
    with Watched(budget, spilled) as store:
        tight = fitting.fit(model, plan, batches, options=OPTIONS, seed=0, store=store)
    assert same(free, tight)
    assert store.most <= budget
    assert 0 < store.written <= store.total
    assert not list(spilled.iterdir())


def test_without_a_need_nothing_is_written(tmp_path: Path) -> None:
    model, plan, batches = prepared(tmp_path)
    with Watched(1 << 30, tmp_path / "nowhere") as store:
        fitting.fit(model, plan, batches, options=OPTIONS, seed=0, store=store)
    assert store.written == 0
    assert 0 < store.most < store.total


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_survey_within_a_budget_is_the_same(tmp_path: Path, budget: int) -> None:
    model, plan, batches = prepared(tmp_path)
    names = {layer.name for layer in plan.layers}
    sites = {conv.name: conv.known_site for conv in find_convs(model) if conv.name in names}
    forms = ("depthwise-pointwise", "spatial")
    offers = {
        name: [(form, rank) for form in forms for rank in FORMS[form].ranks(site)] for name, site in sites.items()
    }
    free = sensitivity.survey(model, offers, batches, options=OPTIONS, seed=0)
    with Watched(budget, tmp_path) as store:
        assert sensitivity.survey(model, offers, batches, options=OPTIONS, seed=0, store=store) == free
    assert store.most <= budget


def test_both_walks_hold_the_inputs_once(tmp_path: Path) -> None:
    model, _, batches = prepared(tmp_path)
    store = Store()
    teacher = Walk(model, chunks(model, batches), OPTIONS, store)
    student = teacher.twin()
    assert store.in_memory == batches.count * 3 * 10 * 10 * 4
    student.reach("a")
    student.forget()
    assert [seen.shape for seen in teacher.reach("x")] == [(64, 3, 10, 10), (6, 3, 10, 10)]


def test_more_threads_change_the_result_by_rounding_only(tmp_path: Path) -> None:
    """As docs/method.md says: relative to the largest weight, composed kernels agree to 1e-4."""
    model, plan, batches = prepared(tmp_path)
    one, two = (fitting.fit(model, plan, batches, options=RunOptions(threads), seed=0) for threads in (1, 2))
    specs = {conv.name: conv.known_site.spec for conv in find_convs(model)}
    for a, b in zip(one, two, strict=True):
        first, second = (PLANNABLE[each.form].compose(each.factors, specs[each.name]) for each in (a, b))
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-4 * np.abs(first).max())
        assert a.error == pytest.approx(b.error, rel=1e-4)
        assert a.model_error == pytest.approx(b.model_error, rel=1e-4)

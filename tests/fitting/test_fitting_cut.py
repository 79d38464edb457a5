"""A fit that knows of the activation behind it is never worse there, and better where the activation hides errors."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from convprof.fitting.cut import CutResponse, refine
from convprof.forms import FORMS
from convprof.moments import Gatherer, Moments
from convprof.records.convs import ConvSpec
from convprof.records.factors import Factors

SPEC = ConvSpec(6, 8, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
RIDGE = 1e-4


def problem(seed: int, passed: tuple[float, float], *, other: bool = False) -> tuple[Moments, CutResponse]:
    """Moments and rows of a conv with random weights on smooth inputs, with a shortcut added if asked for."""
    random = np.random.default_rng(seed)
    inputs = np.cumsum(random.standard_normal((20, 6, 8, 8)), axis=3) / 2
    responses = random.standard_normal((20, 8, 8, 8)) + np.einsum("nmhw,mo->nohw", inputs, kernel(seed)[:, :, 1, 1].T)
    others = random.standard_normal(responses.shape) if other else None
    gatherer = Gatherer(SPEC, 64, seed, keep_every=1)
    gatherer.add(inputs, responses, others)
    return gatherer.moments(), CutResponse(gatherer.rows(), passed)


def kernel(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(seed + 100).standard_normal(SPEC.weight_shape) / 7


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("passed", [(0.0, inf), (0.0, 1.5), (-inf, 0.5)])
@pytest.mark.parametrize("other", [False, True])
def test_refining_never_loses_and_usually_gains(form: object, passed: tuple[float, float], other: bool) -> None:
    chosen = next(each for each in FORMS.values() if each is form)
    moments, cut = problem(1, passed, other=other)
    ridged = moments.ridged(kernel(1), RIDGE)
    lowest = (1,) * len(chosen.full_rank(SPEC))
    chain = chosen.fit(ridged, SPEC, chosen.factor(kernel(1), SPEC, lowest), 6)
    start = Factors(chain.weights, moments.best_bias(chosen.compose(chain, SPEC)))
    best = refine(chosen, SPEC, kernel(1), moments, cut, start, ridge=RIDGE)
    before = cut.loss(cut.predict(chosen.compose(start, SPEC), start.bias))
    after = cut.loss(cut.predict(chosen.compose(best, SPEC), best.bias))
    assert after < before


def test_a_range_that_cuts_nothing_leaves_the_closed_form() -> None:
    form = FORMS["depthwise-pointwise"]
    moments, cut = problem(2, (-inf, inf))
    assert not cut.shift(cut.predict(kernel(2), None)).any()
    chain = form.fit(moments.ridged(kernel(2), RIDGE), SPEC, form.factor(kernel(2), SPEC, (2,)), 30)
    start = Factors(chain.weights, moments.best_bias(form.compose(chain, SPEC)))
    best = refine(form, SPEC, kernel(2), moments, cut, start, ridge=RIDGE)
    before = cut.relative_error(form.compose(start, SPEC), start.bias)
    assert cut.relative_error(form.compose(best, SPEC), best.bias) == pytest.approx(before, rel=0.01)
    assert before == pytest.approx(moments.relative_error(form.compose(start, SPEC)), rel=0.01)


def test_the_target_moves_only_where_the_activation_cuts() -> None:
    _, cut = problem(3, (0.0, 2.0), other=True)
    response = cut.predict(kernel(3), np.full(8, 0.1))
    total, at = cut.rows.responses + cut.rows.others, response + cut.rows.others
    wanted = total + cut.shift(response)
    inside = (total > 0) & (total < 2)
    np.testing.assert_allclose(wanted[inside], total[inside], atol=1e-5)
    np.testing.assert_allclose(wanted[total <= 0], np.minimum(at, 0)[total <= 0], atol=1e-5)
    np.testing.assert_allclose(wanted[total >= 2], np.maximum(at, 2)[total >= 2], atol=1e-5)


def test_a_shift_of_all_rows_is_a_shift_of_the_targets() -> None:
    random = np.random.default_rng(4)
    inputs, responses = random.standard_normal((9, 6, 8, 8)) + 3, random.standard_normal((9, 8, 8, 8))
    moved = random.standard_normal((9, 8, 8, 8)) + 1
    plain, direct = (Gatherer(SPEC, 64, 0, keep_every=1) for _ in range(2))
    plain.add(inputs, responses)
    direct.add(inputs, responses + moved)
    shift = direct.rows().responses - plain.rows().responses
    shifted, wanted = plain.moments().shifted(plain.rows(), shift), direct.moments()
    np.testing.assert_allclose(shifted.cross, wanted.cross, atol=1e-4)
    np.testing.assert_allclose(shifted.response_mean, wanted.response_mean, atol=1e-5)
    assert shifted.power == pytest.approx(wanted.power, rel=1e-4)


def test_every_nth_row_is_kept() -> None:
    gatherer = Gatherer(SPEC, 10, 0, keep_every=3)
    gatherer.add(np.ones((4, 6, 8, 8), np.float32), np.ones((4, 8, 8, 8), np.float32))
    rows = gatherer.rows()
    assert rows.patches.shape == (14, 54)
    assert rows.patches.dtype == rows.responses.dtype == rows.others.dtype == np.float32
    assert not rows.others.any()

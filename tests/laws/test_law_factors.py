from __future__ import annotations

import naive
import numpy as np
import pytest
import sites
from hypothesis import given, settings
from hypothesis import strategies as st
from sites import Case

from convprof.forms import PLANNABLE
from convprof.records.factors import Factors

_LAW = settings(max_examples=300)
_SCALES = (1e-20, 1.0, 1e20)


@_LAW
@given(sites.cases())
def test_factors_have_the_shapes_of_the_chain(case: Case) -> None:
    factors = case.form.factor(case.kernel(), case.spec, case.rank)
    chain = case.form.chain(case.spec, case.rank)
    assert [weight.shape for weight in factors.weights] == [spec.weight_shape for spec in chain]
    assert all(weight.dtype == np.float64 for weight in factors.weights)
    assert factors.bias is None


@_LAW
@given(sites.cases(), st.sampled_from(_SCALES))
def test_full_rank_is_the_kernel(case: Case, scale: float) -> None:
    kernel = scale * case.kernel()
    composed = case.form.compose(case.form.factor(kernel, case.spec, case.full), case.spec)
    np.testing.assert_allclose(composed, kernel, atol=1e-12 * scale * np.abs(case.kernel()).max())


@_LAW
@given(sites.cases(), st.sampled_from(_SCALES), st.booleans())
def test_energy_is_what_factor_keeps_and_never_falls_with_the_rank(case: Case, scale: float, poor: bool) -> None:
    kernel = scale * case.kernel()
    if poor:
        kernel[:, 1:] = kernel[:, :1]
    ranks = sites.ranks_up_to(case.full)
    energy = case.form.energy(kernel, ranks)
    lost = [
        sites.relative(kernel - case.form.compose(case.form.factor(kernel, case.spec, rank), case.spec), kernel)
        for rank in ranks
    ]
    np.testing.assert_allclose(energy, 1 - np.array(lost), atol=1e-9)
    assert all(0 <= value <= 1 for value in energy)
    assert all(np.diff(energy) >= 0)
    assert all(np.diff(lost) <= 1e-12)
    assert energy[-1] == pytest.approx(1, abs=1e-12)


@_LAW
@given(sites.cases())
def test_energy_in_single_precision_is_close_to_that_in_double(case: Case) -> None:
    ranks = sites.ranks_up_to(case.full)
    single = case.form.energy(case.kernel().astype(np.float32), ranks)
    np.testing.assert_allclose(single, case.form.energy(case.kernel(), ranks), atol=1e-5)


@_LAW
@given(sites.cases(), st.data())
def test_energy_takes_ranks_in_any_order_and_beyond_the_full_one(case: Case, data: st.DataObject) -> None:
    ranks = data.draw(st.permutations([*sites.ranks_up_to(case.full), case.rank, tuple(r + 3 for r in case.full)]))
    energy = dict(zip(ranks, case.form.energy(case.kernel(), ranks), strict=True))
    assert energy[case.rank] == case.form.energy(case.kernel(), [case.rank])[0]
    assert energy[tuple(r + 3 for r in case.full)] == pytest.approx(1)


@_LAW
@given(sites.cases())
def test_a_kernel_of_zeros_loses_nothing(case: Case) -> None:
    kernel = np.zeros(case.spec.weight_shape)
    assert case.form.energy(kernel, [case.rank]) == (1.0,)
    factors = case.form.factor(kernel, case.spec, case.rank)
    assert not case.form.compose(factors, case.spec).any()
    assert all(np.isfinite(weight).all() for weight in factors.weights)


@_LAW
@given(sites.cases())
def test_the_chain_is_the_composed_kernel(case: Case) -> None:
    bias = np.random.default_rng(case.seed).standard_normal(case.spec.out_channels)
    factors = Factors(case.form.factor(case.kernel(), case.spec, case.rank).weights, bias)
    wanted = naive.convolve(case.inputs(), case.form.compose(factors, case.spec), case.spec, bias)
    chain = case.form.chain(case.spec, case.rank)
    np.testing.assert_allclose(naive.run_chain(case.inputs(), chain, factors), wanted, atol=1e-10)
    for emission in case.form.emissions:
        arranged = case.form.arrange(factors, case.spec, emission)
        np.testing.assert_allclose(naive.run_arrangement(case.inputs(), arranged), wanted, atol=1e-10)


@_LAW
@given(sites.cases())
def test_arrangements_without_a_bias_add_none(case: Case) -> None:
    factors = case.form.factor(case.kernel(), case.spec, case.rank)
    for emission in case.form.emissions:
        silent = naive.run_arrangement(np.zeros_like(case.inputs()), case.form.arrange(factors, case.spec, emission))
        assert not silent.any()


@pytest.mark.parametrize("name", PLANNABLE)
def test_a_form_is_called_what_the_table_calls_it(name: str) -> None:
    assert PLANNABLE[name].name == name


@_LAW
@given(sites.cases())
def test_random_kernels_keep_about_the_energy_expected_of_them(case: Case) -> None:
    expected = case.form.energy_random(case.spec, case.rank)
    assert 0 < expected <= 1
    assert case.form.energy_random(case.spec, case.full) == 1
    drawn = np.random.default_rng(0).standard_normal((40, *case.spec.weight_shape))
    kept = [case.form.energy(kernel, [case.rank])[0] for kernel in drawn]
    assert np.mean(kept) == pytest.approx(expected, abs=0.12)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convprof.forms import FORMS
from convprof.moments import Gatherer, Moments
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array

SPEC = ConvSpec(4, 6, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1))


def _moments(seed: int) -> tuple[Array, Moments]:
    random = np.random.default_rng(seed)
    kernel = random.standard_normal(SPEC.weight_shape)
    gatherer = Gatherer(SPEC, 10**9, seed=0)
    inputs = np.cumsum(random.standard_normal((6, 4, 7, 7)), axis=2)
    gatherer.add(inputs, random.standard_normal((6, 6, 7, 7)) + inputs.sum(axis=1, keepdims=True))
    return kernel, gatherer.moments().ridged(kernel, 1e-3)


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(1, 6))
def test_channel_reaches_the_least_error_of_any_kernel_of_that_rank(seed: int, rank: int) -> None:
    """In the coordinates where S = 1 that is the truncated SVD of C L^-T, with S = L L^T."""
    kernel, moments = _moments(seed)
    form = FORMS["channel"]
    fitted = form.fit(moments, SPEC, form.factor(kernel, SPEC, (rank,)), 1)
    whitened = np.linalg.solve(np.linalg.cholesky(moments.covariance), moments.cross.T)
    least = moments.power - np.sum(np.linalg.svd(whitened, compute_uv=False)[:rank] ** 2)
    assert moments.error(form.compose(fitted, SPEC)) == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_tucker2_with_all_input_channels_is_channel(rank: int) -> None:
    kernel, moments = _moments(0)
    errors = []
    for name, size in (("channel", (rank,)), ("tucker2", (4, rank))):
        form = FORMS[name]
        fitted = form.fit(moments, SPEC, form.factor(kernel, SPEC, size), 4)
        errors.append(moments.error(form.compose(fitted, SPEC)))
    assert errors[1] == pytest.approx(errors[0], rel=1e-6)


@pytest.mark.parametrize("pair", ["depthwise-pointwise", "pointwise-depthwise"])
def test_both_separable_pairs_are_within_reach_of_the_chain_of_three(pair: str) -> None:
    """A kernel that one filter a channel makes is met exactly with as many channels in the middle."""
    kernel, _ = _moments(1)
    separable = FORMS[pair].compose(FORMS[pair].factor(kernel, SPEC, (1,)), SPEC)
    middle = SPEC.in_channels if pair == "depthwise-pointwise" else SPEC.out_channels
    form = FORMS["pointwise-depthwise-pointwise"]
    np.testing.assert_allclose(form.compose(form.factor(separable, SPEC, (middle,)), SPEC), separable, atol=1e-12)

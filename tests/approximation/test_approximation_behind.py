"""A fit that knows of the activation behind it is never worse there, and better where the activation hides errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from convprof.approximation.behind import ActivatedResponse, refine
from convprof.approximation.curves import Curve, curve, grid
from convprof.forms import PLANNABLE, Form
from convprof.moments import Gatherer, Moments, Rows
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors

SPEC = ConvSpec(6, 8, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
RIDGE = 1e-4


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "clip": lambda x: np.clip(x, 0, 1.5),
    "cut from above": lambda x: np.minimum(x, 0.5),
    "leaky relu": lambda x: np.where(x < 0, 0.1 * x, x),
    "prelu": lambda x: np.where(x < 0, np.linspace(0, 0.3, x.shape[1]) * x, x),
    "silu": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "scaled relu": lambda x: 0.1 * np.maximum(x, 0) + 3,
}


def problem(
    seed: int, activation: Callable[[Array], Array], *, other: bool = False
) -> tuple[Moments, ActivatedResponse]:
    """Moments and rows of a conv with random weights on smooth inputs, with a shortcut added if asked for."""
    random = np.random.default_rng(seed)
    inputs = np.cumsum(random.standard_normal((20, 6, 8, 8)), axis=3) / 2
    responses = random.standard_normal((20, 8, 8, 8)) + np.einsum("nmhw,mo->nohw", inputs, kernel(seed)[:, :, 1, 1].T)
    others = random.standard_normal(responses.shape) if other else None
    gatherer = Gatherer(SPEC, 64, seed, keep_every=1)
    gatherer.add(inputs, responses, others)
    rows = gatherer.rows()
    return gatherer.moments(), ActivatedResponse(rows, table(activation, rows))


def table(activation: Callable[[Array], Array], rows: Rows) -> Curve:
    points = grid(rows.responses + rows.others).astype(np.float64)
    made = curve(points, activation(np.repeat(points[:, None], 8, axis=1)))
    assert made is not None
    return made


def kernel(seed: int) -> Array:
    return np.random.default_rng(seed + 100).standard_normal(SPEC.weight_shape) / 7


@pytest.mark.parametrize("form", PLANNABLE.values(), ids=PLANNABLE.keys())
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("other", [False, True])
def test_refining_never_loses_and_usually_gains(form: Form, name: str, other: bool) -> None:
    moments, behind = problem(1, ACTIVATIONS[name], other=other)
    ridged = moments.ridged(kernel(1), RIDGE)
    rank = (1,) * len(form.full_rank(SPEC))
    chain = form.fit(ridged, SPEC, form.factor(kernel(1), SPEC, rank), 6)
    start = Factors(chain.weights, moments.best_bias(form.compose(chain, SPEC)))
    best = refine(form, SPEC, ridged, behind, start)
    before = behind.loss(behind.predict(form.compose(start, SPEC), start.bias))
    after = behind.loss(behind.predict(form.compose(best, SPEC), best.bias))
    assert after < before if name != "tanh" else after <= before


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_table_is_the_activation(name: str) -> None:
    _, behind = problem(2, ACTIVATIONS[name])
    inside = behind.total[:50]
    wanted = ACTIVATIONS[name](inside.astype(np.float64))
    np.testing.assert_allclose(behind.curve(inside), wanted, atol=2e-3 * np.ptp(wanted))
    assert (behind.curve.passed is not None) == (name in ("relu", "clip", "cut from above"))


def test_a_table_goes_on_straight() -> None:
    _, behind = problem(2, ACTIVATIONS["prelu"])
    far = np.array([[-100.0] * 8, [100.0] * 8])
    np.testing.assert_allclose(behind.curve(far.astype(np.float32)), ACTIVATIONS["prelu"](far), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("line", [lambda x: x, lambda x: 0.5 * x - 3, lambda x: 0 * x, lambda x: x * np.nan])
def test_a_straight_line_is_no_activation(line: Callable[[Array], Array]) -> None:
    points = grid(np.linspace(-2, 7, 50, dtype=np.float32)).astype(np.float64)
    assert curve(points, line(np.repeat(points[:, None], 3, axis=1))) is None


def test_the_target_moves_only_where_the_activation_cuts() -> None:
    _, behind = problem(3, lambda x: np.clip(x, 0, 2), other=True)
    response = behind.predict(kernel(3), np.full(8, 0.1))
    total, at = behind.rows.responses + behind.rows.others, response + behind.rows.others
    wanted = total + behind.shift(response)
    inside = (total > 0) & (total < 2)
    np.testing.assert_allclose(wanted[inside], total[inside], atol=1e-5)
    for far, low, high in (((total <= 0), -np.inf, 0), ((total >= 2), 2, np.inf)):
        near = far & (at > 0) & (at < 2)
        np.testing.assert_allclose(wanted[near], np.clip(at, low, high)[near], atol=1e-4)
        right = far & (at >= low) & (at <= high)
        np.testing.assert_allclose(wanted[right], at[right], atol=1e-6)
        assert (np.abs(wanted - total) < np.abs(at - total))[far & ~near & ~right].all()


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

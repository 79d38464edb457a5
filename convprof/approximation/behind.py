"""Fits a response for what an activation makes of it: what is thrown away need not be right.

Let f be the activation, y the original's total in front of it and y' the converted one's; the loss is |f(y') - f(y)|^2.
Where f is steep at y, y' should equal y. Where it is flat there, y' should take a step down the slope of the loss,
z = y' - s (f(y') - f(y)) / L^2, with L the steepest slope of f and s its slope at y', or between y and y' where that is
steeper; behind a ReLU that is z = min(y', 0), a majoriser of the loss (Hunter and Lange 2004). So: fit to z, move z,
repeat, extrapolated as by Nesterov (1983), with a restart when the loss rises (O'Donoghue and Candes 2015). S stays as
it is, only C is gathered anew for each z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from convprof.approximation.curves import Curve
from convprof.forms import Form
from convprof.moments import Floats, Moments, Rows, joined
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors

_STEPS = 15
_PATIENCE = 4


@dataclass(frozen=True)
class ActivatedResponse:
    """Sampled rows, and the activation that their totals go through."""

    rows: Rows
    curve: Curve

    def __add__(self, other: ActivatedResponse) -> ActivatedResponse:
        """The rows of both, which go through the same activation."""
        return ActivatedResponse(joined([self.rows, other.rows]), self.curve)

    @cached_property
    def total(self) -> Floats:
        """What the original has in front of the activation, (n, N)."""
        return self.rows.responses + self.rows.others

    @cached_property
    def wanted(self) -> Floats:
        """What the original has behind the activation, (n, N)."""
        return self.curve(self.total)

    @cached_property
    def steep(self) -> NDArray[np.bool_]:
        """Where the activation shows the total as it is, (n, N)."""
        steep: NDArray[np.bool_] = self.curve.slope(self.total) >= self.curve.steepest / 2
        return steep

    def predict(self, kernel: Array, bias: Array | None) -> Floats:
        """Responses (n, N) of a dense kernel and its bias at the rows, without what is added to them."""
        flat = kernel.reshape(len(kernel), -1).astype(np.float32)
        response: Floats = self.rows.patches @ flat.T
        if bias is not None:
            response += bias.astype(np.float32)
        return response

    def loss(self, response: Floats) -> float:
        """Mean squared error behind the activation, summed over the channels."""
        got = self.curve(response + self.rows.others)
        return float(np.square(got - self.wanted).sum(axis=1).mean(dtype=np.float64))

    def relative_error(self, kernel: Array, bias: Array | None) -> float:
        """`loss` as a share of the power behind the activation; 0 where nothing varies there and nothing is lost."""
        power = float(np.var(self.wanted, axis=0, dtype=np.float64).sum())
        loss = self.loss(self.predict(kernel, bias))
        if power <= 0:
            return 0.0 if loss <= 0 else 1.0
        return loss / power

    def shift(self, response: Floats) -> Floats:
        """Z - y: how far the target may move towards `response` without harm."""
        total, at = self.total, response + self.rows.others
        lost, apart = self.curve(at) - self.wanted, at - total
        slope = self.curve.slope(at)
        secant = np.divide(lost, apart, out=np.zeros_like(lost), where=apart != 0)
        downhill = np.where(np.abs(slope) >= np.abs(secant), slope, secant) * lost / self.curve.steepest**2
        moved: Floats = np.where(self.steep, np.float32(0), apart - downhill)
        return moved


def refine(form: Form, spec: ConvSpec, moments: Moments, behind: ActivatedResponse, start: Factors) -> Factors:
    """The factors with the least loss behind the activation that some steps from `start` find, or `start` itself.

    `moments` are those of the closed form, ridge included.
    """
    response = ahead = behind.predict(form.compose(start, spec), start.bias)
    best, least, speed, stale = start, behind.loss(response), 1.0, 0
    current = start
    for _ in range(_STEPS):
        moved = moments.shifted(behind.rows, behind.shift(ahead))
        chain = form.fit(moved, spec, Factors(current.weights), 1)
        composed = form.compose(chain, spec)
        current = Factors(chain.weights, moved.best_bias(composed))
        before, response = response, behind.predict(composed, current.bias)
        loss = behind.loss(response)
        if loss < least:
            stale = 0 if loss < 0.999 * least else stale + 1
            best, least = current, loss
            faster = (1 + (1 + 4 * speed**2) ** 0.5) / 2
            ahead = response + np.float32((speed - 1) / faster) * (response - before)
            speed = faster
        else:
            stale += 1
            ahead, speed = response, 1.0
        if stale >= _PATIENCE:
            break
    return best

"""Fits a response that an activation cuts off: what it throws away need not be right, only stay outside.

Let the activation pass the range (low, high), y be the original's total in front of it and y' the converted one's.
Where y lies inside, y' should equal it; where y lies below low (above high), y' should lie there too. That loss is
convex in y' and majorised by |y' - z|^2, with z = y inside the range and z = min(y', low) or max(y', high) outside:
fit to z, move z, repeat (majorise and minimise: Hunter and Lange 2004). Extrapolated as by Nesterov (1983), with a
restart when the loss rises (O'Donoghue and Candes 2015). S stays as it is, only C is gathered anew for each z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from convprof.forms import Form
from convprof.moments import Floats, Moments, Rows
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors

_STEPS = 15
_PATIENCE = 4


@dataclass(frozen=True)
class CutResponse:
    """Sampled rows and the range that is let through."""

    rows: Rows
    passed: tuple[float, float]

    @cached_property
    def total(self) -> Floats:
        """What the original has in front of the activation, (n, N)."""
        return self.rows.responses + self.rows.others

    @cached_property
    def wanted(self) -> Floats:
        """What the original has behind the activation, (n, N)."""
        return np.clip(self.total, *self.passed)

    def predict(self, kernel: Array, bias: Array | None) -> Floats:
        """Responses (n, N) of a dense kernel and its bias at the rows, without what is added to them."""
        flat = kernel.reshape(len(kernel), -1).astype(np.float32)
        response: Floats = self.rows.patches @ flat.T
        if bias is not None:
            response += bias.astype(np.float32)
        return response

    def loss(self, response: Floats) -> float:
        """Mean squared error behind the activation, summed over the channels."""
        got = np.clip(response + self.rows.others, *self.passed)
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
        low, high = self.passed
        total = self.total
        at = response + self.rows.others
        wanted = np.where(total <= low, np.minimum(at, low), np.where(total >= high, np.maximum(at, high), total))
        moved: Floats = wanted - total
        return moved


def refine(
    form: Form, spec: ConvSpec, kernel: Array, moments: Moments, cut: CutResponse, start: Factors, *, ridge: float
) -> Factors:
    """The factors with the least loss behind the activation that some steps from `start` find, or `start` itself."""
    response = ahead = cut.predict(form.compose(start, spec), start.bias)
    best, least, speed, stale = start, cut.loss(response), 1.0, 0
    current = start
    for _ in range(_STEPS):
        moved = moments.shifted(cut.rows, cut.shift(ahead))
        chain = form.fit(moved.ridged(kernel, ridge), spec, Factors(current.weights), 1)
        composed = form.compose(chain, spec)
        current = Factors(chain.weights, moved.best_bias(composed))
        before, response = response, cut.predict(composed, current.bias)
        loss = cut.loss(response)
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

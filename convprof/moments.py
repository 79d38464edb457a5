"""Second moments of a conv's input patches and target responses: all that a data-aware fit needs to see.

With p the patch under the kernel (M k values: channel by channel, kernel position by position) and y the target
response (N values), over sampled positions:

    S = cov(p, p)    C = cov(y, p)    power = E|y - E y|^2

and the error of a kernel W (N x M k) with its best bias c = E y - W E p is

    E|y - c - W p|^2 = power - 2 <W, C> + <W S, W>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from convprof.errors import DataError
from convprof.records.convs import ConvSpec

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
RIDGE = 1e-4
"""How strongly fits pull towards the original kernel, as a share of mean(diag S)."""

# Output positions of one chunk of inputs: more are no picture but a damaged model.
_MOST_POSITIONS = 1 << 30
# Rows of one product.
_BLOCK = 1 << 12
_ROUNDING = float(np.finfo(np.float32).eps) ** 2


@dataclass(frozen=True)
class Moments:
    """Moments over `count` positions: S (M k, M k), C (N, M k), means (M k,) and (N,), all float64."""

    count: int
    patch_mean: Array
    response_mean: Array
    covariance: Array
    cross: Array
    power: float

    def error(self, kernel: Array, bias: Array | None = None) -> float:
        """Mean squared error of `kernel` (N, M, *kernel_shape) with `bias`, by default its best, never below 0."""
        flat = kernel.reshape(len(self.cross), -1)
        value = self.power - 2 * np.sum(flat * self.cross) + np.sum((flat @ self.covariance) * flat)
        off = 0.0 if bias is None else float(np.sum((self.best_bias(kernel) - bias) ** 2))
        return max(float(value), 0.0) + off

    def error_of_solution(self, kernel: Array) -> float:
        """`error` of a kernel that solves a regression: <W S, W> = <W, C> spares the product with S.

        So it is wherever one factor of the kernel is the exact least-squares solution for the others.
        """
        return max(self.power - float(np.vdot(kernel, self.cross)), 0.0)

    def relative_error(self, kernel: Array, bias: Array | None = None) -> float:
        """`error` as a share of the response's power.

        A response that is constant up to the rounding of float32 has no power to share: 0 where the error is no more
        than that rounding, else 1.
        """
        error, rounding = self.error(kernel, bias), _ROUNDING * float(self.response_mean @ self.response_mean)
        if self.power <= rounding:
            return 0.0 if error <= rounding else 1.0
        return error / self.power

    def best_bias(self, kernel: Array) -> Array:
        """The bias (N,) that minimises the error of `kernel`."""
        bias: Array = self.response_mean - kernel.reshape(len(self.cross), -1) @ self.patch_mean
        return bias

    def shifted(self, rows: Rows, shift: Floats) -> Moments:
        """Moments of the same problem with `shift` (n, N), known at `rows` only, added to the targets."""
        mean = shift.mean(axis=0, dtype=np.float64)
        # A shift about its mean needs no patches about theirs.
        cross = ((shift - mean.astype(np.float32)).T @ rows.patches).astype(np.float64) / len(shift)
        gained = np.var(rows.responses + shift, axis=0, dtype=np.float64).sum()
        gained -= np.var(rows.responses, axis=0, dtype=np.float64).sum()
        # An estimate from some rows must not push the error below 0: a power too large does no harm.
        power = self.power + max(float(gained), 0.0)
        return replace(self, response_mean=self.response_mean + mean, cross=self.cross + cross, power=power)

    def ridged(self, kernel: Array, relative: float) -> Moments:
        """Moments of the same problem plus a pull towards `kernel`: + ridge |W' - W|^2.

        ridge = relative * mean(diag S). Directions that the data never excited keep the original kernel instead of
        drifting, and S becomes positive definite. The ridge is never below the rounding of float32 inputs, so that a
        constant input pulls no weight anywhere; where there is no input at all, any ridge says the same.
        """
        flat = kernel.reshape(len(self.cross), -1)
        size = len(self.covariance)
        rounding = _ROUNDING * float(self.patch_mean @ self.patch_mean) / size
        ridge = max(relative * float(np.trace(self.covariance)) / size, rounding) or 1.0
        covariance = self.covariance.copy()
        covariance.flat[:: size + 1] += ridge
        return replace(
            self,
            covariance=covariance,
            cross=self.cross + ridge * flat,
            power=self.power + ridge * float(np.sum(flat**2)),
        )


def pooled(parts: Sequence[Moments]) -> Moments:
    """The moments of all the positions behind `parts` together."""
    count = sum(part.count for part in parts)
    shares = [part.count / count for part in parts]
    patch: Array = sum((s * p.patch_mean for s, p in zip(shares, parts, strict=True)), np.zeros(()))
    response: Array = sum((s * p.response_mean for s, p in zip(shares, parts, strict=True)), np.zeros(()))
    covariance, cross, power = np.zeros_like(parts[0].covariance), np.zeros_like(parts[0].cross), 0.0
    for share, part in zip(shares, parts, strict=True):
        aside, off = part.patch_mean - patch, part.response_mean - response
        covariance += share * part.covariance
        cross += share * part.cross
        power += share * (part.power + float(off @ off))
        _add_outer(covariance, share * aside, aside)
        _add_outer(cross, share * off, aside)
    return Moments(count, patch, response, covariance, cross, power)


@dataclass(frozen=True)
class Rows:
    """Sampled positions one by one, float32: patches (n, M k), target responses (n, N), and what is added to them."""

    patches: Floats
    responses: Floats
    others: Floats


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one after another."""
    fields = zip(*((part.patches, part.responses, part.others) for part in parts), strict=True)
    return Rows(*(np.concatenate(arrays) for arrays in fields))


class Gatherer:
    """Adds up the moments of one conv batch by batch, at positions sampled from a seed.

    Products are taken in float32 (in float64 for float64 inputs) about a point near the mean, sums in float64.
    """

    def __init__(
        self, spec: ConvSpec, positions: int, seed: int, *, keep_every: int | None = None, layer: str = "a conv"
    ) -> None:
        """Sample `positions` output positions of each input of `spec`; `keep_every` n-th row is kept as it is.

        `layer` is what errors call the conv.
        """
        self._spec = spec
        self._layer = layer
        self._positions = positions
        self._random = np.random.default_rng(seed)
        patch, response = prod(spec.weight_shape[1:]), spec.out_channels
        self._count = 0
        self._patch_sum = np.zeros(patch)
        self._response_sum = np.zeros(response)
        self._patch_patch = np.zeros((patch, patch))
        self._response_patch = np.zeros((response, patch))
        self._response_power = 0.0
        self._origin: tuple[NDArray[np.floating], ...] | None = None
        self._keep_every = keep_every
        self._kept: list[Rows] = []
        self._pending: list[tuple[NDArray[np.floating], NDArray[np.floating]]] = []

    def add(
        self,
        inputs: NDArray[np.generic],
        responses: NDArray[np.generic],
        others: NDArray[np.generic] | None = None,
    ) -> None:
        """Add inputs (n, M, *input size) and their target responses (n, N, *output size).

        `others`, shaped as the responses, is what the network adds to a response afterwards; it is kept, not fitted.
        """
        sample, place = self._positions_in(len(inputs), responses.shape[2:])
        rows = patches(inputs, self._spec, sample, place)
        columns = np.moveaxis(responses, 1, -1)[(sample, *place)].astype(rows.dtype)
        if self._keep_every is not None:
            added = np.zeros_like(columns) if others is None else np.moveaxis(others, 1, -1)[(sample, *place)]
            each = slice(None, None, self._keep_every)
            self._kept.append(Rows(*(array[each].astype(np.float32) for array in (rows, columns, added))))
        self._gather(rows, columns)

    def rows(self) -> Rows:
        """The rows that were kept, in the order in which they were added."""
        return joined(self._kept)

    def add_inputs(self, inputs: NDArray[np.generic], kernel: Array, bias: NDArray[np.generic] | None) -> None:
        """Add inputs (n, M, *input size) whose targets are the responses of the dense conv itself."""
        sample, place = self._positions_in(len(inputs), self._spec.output_size(inputs.shape[2:]))
        rows = patches(inputs, self._spec, sample, place)
        with np.errstate(over="ignore", invalid="ignore"):  # `moments` refuses what is no number
            columns = rows @ kernel.reshape(len(kernel), -1).T.astype(rows.dtype)
        self._gather(rows, columns if bias is None else columns + bias.astype(rows.dtype))

    def _gather(self, rows: NDArray[np.floating], columns: NDArray[np.floating]) -> None:
        """Add up what has come once there is enough of it: large products are cheaper than many small ones."""
        if not len(rows):
            return
        self._pending.append((rows, columns))
        if sum(len(each) for each, _ in self._pending) >= _BLOCK:
            self._add_pending()

    def _add_pending(self) -> None:
        if not self._pending:
            return
        rows, columns = (np.concatenate(arrays) for arrays in zip(*self._pending, strict=True))
        self._pending = []
        with np.errstate(over="ignore", invalid="ignore"):
            self._add(rows, columns)

    def _add(self, rows: NDArray[np.floating], columns: NDArray[np.floating]) -> None:
        if self._origin is None:
            # Sums of squares about a point near the mean lose no digits to cancellation.
            self._origin = rows.mean(axis=0), columns.mean(axis=0)
        rows -= self._origin[0]
        columns -= self._origin[1]
        self._count += len(rows)
        self._patch_sum += rows.sum(axis=0, dtype=np.float64)
        self._response_sum += columns.sum(axis=0, dtype=np.float64)
        self._patch_patch += rows.T @ rows
        self._response_patch += columns.T @ rows
        self._response_power += float(np.sum(columns**2, dtype=np.float64))

    def moments(self) -> Moments:
        """The moments of everything added so far; raises DataError where there is nothing or no number in it."""
        self._add_pending()
        if self._origin is None:
            raise DataError("the calibration data", "there is not one input in it", "give some inputs")
        if not np.isfinite(self._response_power + np.trace(self._patch_patch)):
            raise DataError(
                "the calibration data",
                f"{self._layer} sees or answers NaN or infinity",
                "check the preprocessing, and that the original model's outputs are finite",
            )
        patch, response = self._patch_sum / self._count, self._response_sum / self._count
        return Moments(
            self._count,
            self._origin[0] + patch,
            self._origin[1] + response,
            _add_outer(self._patch_patch / self._count, -patch, patch),
            _add_outer(self._response_patch / self._count, -response, patch),
            max(self._response_power / self._count - float(response @ response), 0.0),
        )

    def _positions_in(
        self, samples: int, size: tuple[int, ...]
    ) -> tuple[NDArray[np.intp], tuple[NDArray[np.intp], ...]]:
        """Input number and output position of each sampled row, the same number of rows from each input."""
        total = prod(size)
        if samples * total > _MOST_POSITIONS:
            why = f"its output has {total:,} positions, more than can be sampled from"
            raise DataError(self._layer, why, "give smaller inputs, or leave the layer out")
        if self._positions >= total:
            flat = np.tile(np.arange(total), samples)
        else:
            drawn = self._random.random((samples, total)).argpartition(self._positions, axis=1)
            flat = drawn[:, : self._positions].ravel()
        sample = np.repeat(np.arange(samples), min(self._positions, total))
        return sample, np.unravel_index(flat, size)


def _add_outer(matrix: Array, left: Array, right: Array) -> Array:
    """`matrix` with left right^T added to it in place, a few rows at a time: it may be large."""
    for begin in range(0, len(matrix), 64):
        matrix[begin : begin + 64] += np.outer(left[begin : begin + 64], right)
    return matrix


def positions_per_input(weight_shape: tuple[int, ...], samples: int, rows_per_unknown: int) -> int:
    """Output positions to sample of each input, so that the rows outnumber the unknowns of the regression."""
    return max(4, -(-rows_per_unknown * prod(weight_shape[1:]) // samples))


def patches(
    inputs: NDArray[np.generic], spec: ConvSpec, sample: NDArray[np.intp], place: tuple[NDArray[np.intp], ...]
) -> NDArray[np.floating]:
    """The patch under the kernel, (rows, M k), for each output position `place` of input number `sample`.

    float32, or float64 for float64 inputs.
    """
    axes = len(spec.kernel_shape)
    pads = [(0, 0), (0, 0), *((spec.pads[i], spec.pads[axes + i]) for i in range(axes))]
    padded = np.moveaxis(np.pad(inputs, pads), 1, -1)
    channels, taps = inputs.shape[1], prod(spec.kernel_shape)
    rows = np.empty((len(sample), channels, taps), np.float64 if inputs.dtype == np.float64 else np.float32)
    for number, offset in enumerate(np.ndindex(*spec.kernel_shape)):
        index = tuple(place[i] * spec.strides[i] + offset[i] * spec.dilations[i] for i in range(axes))
        rows[:, :, number] = padded[(sample, *index)]
    return rows.reshape(len(sample), channels * taps)

"""Elements by their places; negative places count from the end."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from convprof.torch.node import Node

_REDUCE: Mapping[str, str] = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def gather(node: Node, x: Tensor, places: Tensor) -> Tensor:
    """Gather: slices of an axis."""
    axis = node.integer("axis", 0) % x.ndim
    flat = _positive(places, x.shape[axis]).reshape(-1)
    return x.index_select(axis, flat).reshape((*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))


def gather_elements(node: Node, x: Tensor, places: Tensor) -> Tensor:
    """GatherElements."""
    axis = node.integer("axis", 0)
    return x.gather(axis, _positive(places, x.shape[axis]))


def gather_nd(node: Node, x: Tensor, places: Tensor) -> Tensor:
    """GatherND."""
    batch = node.integer("batch_dims", 0)
    lead = [
        torch.arange(n, device=x.device).reshape(*(1,) * i, n, *(1,) * (places.ndim - 2 - i))
        for i, n in enumerate(x.shape[:batch])
    ]
    return x[(*lead, *_columns(places, x, batch))]


def scatter_elements(node: Node, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    """ScatterElements."""
    axis, how = node.integer("axis", 0), node.text("reduction", "none")
    places = _positive(places, x.shape[axis])
    if how == "none":
        return x.scatter(axis, places, updates)
    return x.scatter_reduce(axis, places, updates, _REDUCE[how], include_self=True)


def scatter_nd(node: Node, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    """ScatterND."""
    how, columns = node.text("reduction", "none"), _columns(places, x, 0)
    if how in ("none", "add"):
        return x.index_put(columns, updates, accumulate=how == "add")
    depth = places.shape[-1]
    rows = x.reshape(-1, *x.shape[depth:])
    row = torch.zeros_like(columns[0])
    for size, column in zip(x.shape, columns, strict=False):
        row = row * size + column
    flat = updates.reshape(-1, *x.shape[depth:])
    spread = row.reshape(-1, *(1,) * (flat.ndim - 1)).expand_as(flat)
    return rows.scatter_reduce(0, spread, flat, _REDUCE[how], include_self=True).reshape(x.shape)


def one_hot(node: Node, places: Tensor, depth: int | tuple[int, ...], values: Tensor) -> Tensor:
    """OneHot."""
    count = depth[0] if isinstance(depth, tuple) else depth
    axis = node.integer("axis", -1)
    spots = torch.arange(int(count), device=places.device)
    hot = _positive(places.long(), int(count)).unsqueeze(-1) == spots
    return torch.where(hot, values[1], values[0]).movedim(-1, axis)


def compress(node: Node, x: Tensor, kept: tuple[bool, ...]) -> Tensor:
    """Compress."""
    axis = node.attributes.get("axis")
    x = x.reshape(-1) if axis is None else x
    places = [i for i, keep in enumerate(kept) if keep]
    return x.index_select(0 if axis is None else axis, torch.tensor(places, dtype=torch.int64, device=x.device))


def nonzero(_: Node, x: Tensor) -> Tensor:
    """NonZero, of constants: of anything else the shape depends on values."""
    if x.is_meta:
        raise ValueError("the shape of the result depends on the values of the model's inputs")
    return torch.nonzero(x).T


def reverse_sequence(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    """ReverseSequence."""
    batch, time = node.integer("batch_axis", 1), node.integer("time_axis", 0)
    steps = torch.arange(x.shape[time], device=x.device).reshape(-1, 1)
    back = torch.where(steps < lengths, lengths - 1 - steps, steps)
    back = back if time < batch else back.T
    return x.gather(time, back.reshape(*back.shape, *(1,) * (x.ndim - 2)).expand_as(x))


def _positive(places: Tensor, size: int) -> Tensor:
    places = places.long()
    return torch.where(places < 0, places + size, places)


def _columns(places: Tensor, x: Tensor, first: int) -> tuple[Tensor, ...]:
    """The places of each axis from `first` on, a tensor an axis."""
    return tuple(_positive(column, size) for column, size in zip(places.unbind(-1), x.shape[first:], strict=False))

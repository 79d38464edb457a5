"""GridSample and AffineGrid: pictures read at computed places."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from convprof.torch.node import Node

_MODES = {"linear": "bilinear", "cubic": "bicubic"}


def grid_sample(node: Node, x: Tensor, grid: Tensor) -> Tensor:
    """GridSample."""
    mode = node.text("mode", "linear")
    corners = bool(node.integer("align_corners", 0))
    return functional.grid_sample(x, grid, _MODES.get(mode, mode), node.text("padding_mode", "zeros"), corners)


def affine_grid(node: Node, theta: Tensor, size: tuple[int, ...]) -> Tensor:
    """AffineGrid."""
    return functional.affine_grid(theta, list(size), bool(node.integer("align_corners", 0)))

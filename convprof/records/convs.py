"""What a convolution is, apart from any file format: its geometry (`ConvSpec`) and its place (`ConvSite`).

All sizes follow ONNX: `kernel_shape`, `strides` and `dilations` have one entry a spatial axis, `pads` has the
begins of all axes and then the ends.
"""

from __future__ import annotations

import msgspec

Rank = tuple[int, ...]


class ConvSpec(msgspec.Struct, frozen=True):
    """The geometry of one Conv: in_channels -> out_channels in `group` groups."""

    in_channels: int
    out_channels: int
    kernel_shape: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    group: int = 1

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of ONNX's W: (out_channels, in_channels / group, *kernel_shape)."""
        return (self.out_channels, self.in_channels // self.group, *self.kernel_shape)

    def output_size(self, input_size: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial size of the output for a spatial input size (rounded down, as ONNX does)."""
        axes = len(self.kernel_shape)
        return tuple(
            (input_size[i] + self.pads[i] + self.pads[axes + i] - self.dilations[i] * (self.kernel_shape[i] - 1) - 1)
            // self.strides[i]
            + 1
            for i in range(axes)
        )


class ConvSite(msgspec.Struct, frozen=True):
    """One conv at its place: a spec and the concrete sizes of the maps around it."""

    spec: ConvSpec
    batch: int
    input_size: tuple[int, ...]

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial size of the output map."""
        return self.spec.output_size(self.input_size)


def pointwise(in_channels: int, out_channels: int, axes: int) -> ConvSpec:
    """The 1x1 conv from `in_channels` to `out_channels` over `axes` spatial axes."""
    one, zero = (1,) * axes, (0,) * (2 * axes)
    return ConvSpec(in_channels, out_channels, one, one, zero, one)

"""What a model holds and costs: the record that `analyze` writes (convprof.analysis/1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from convprof.records.cross_check import CrossCheck
from convprof.records.remarks import Remark

if TYPE_CHECKING:
    import pandas

Kind = Literal["standard", "pointwise", "depthwise", "grouped"]


class ModelFile(msgspec.Struct, frozen=True):
    """Which file a record speaks of."""

    path: str
    sha256: str
    ir_version: int | None = None
    opset: int | None = None
    producer: str | None = None


class TensorSpec(msgspec.Struct, frozen=True):
    """A graph input or output: `dtype` as numpy names it; a size is None where it is not known."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


class Totals(msgspec.Struct, frozen=True):
    """Sums over the model, for one inference at the stated input shapes."""

    macs: int
    macs_formula: str | None
    parameters: int
    conv_macs: int
    eligible_macs: int
    eligible_convs: int
    convs: int


class Uncounted(msgspec.Struct, frozen=True):
    """An operator whose work is not in the totals, and how many nodes have it."""

    op_type: str
    domain: str
    count: int


class FormOption(msgspec.Struct, frozen=True):
    """One replacement that would fit: its cost and how much of the kernel it keeps.

    `energy` is the share of the kernel's squared norm that rank `rank` keeps, `energy_random` what Gaussian kernels
    of that shape would keep: only the difference says something about the network.
    """

    form: str
    rank: tuple[int, ...]
    macs: int
    parameters: int
    energy: float | None = None
    energy_random: float | None = None


class ConvReport(msgspec.Struct, frozen=True):
    """One convolution: geometry, cost, and what could stand in for it."""

    name: str
    node_name: str
    op_type: str
    scope: str
    kind: Kind
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    weight_shape: tuple[int, ...] | None
    kernel_shape: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    group: int
    dtype: str | None
    macs: int | None
    parameters: int
    share: float | None
    eligible: bool
    reason: Remark | None
    forms: tuple[FormOption, ...] = ()


class Analysis(msgspec.Struct, frozen=True):
    """Everything that `analyze` found out about one model."""

    schema: Literal["convprof.analysis/1"]
    convprof: str
    model: ModelFile
    inputs: tuple[TensorSpec, ...]
    totals: Totals
    uncounted: tuple[Uncounted, ...]
    convs: tuple[ConvReport, ...]
    notices: tuple[Remark, ...] = ()
    cross_check: CrossCheck | None = None

    def eligible(self) -> tuple[ConvReport, ...]:
        """The convs that some form can replace."""
        return tuple(conv for conv in self.convs if conv.eligible)

    def to_frame(self) -> pandas.DataFrame:
        """One row a conv as a pandas table; `best_form` columns are left to the reader's own query."""
        import pandas

        rows = [
            {field: getattr(conv, field) for field in conv.__struct_fields__ if field not in ("forms", "reason")}
            | {"reason": conv.reason.code if conv.reason else None}
            for conv in self.convs
        ]
        return pandas.DataFrame(rows)

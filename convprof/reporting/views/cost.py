"""The cost of one convolution as a table, and as one row a layer."""

from __future__ import annotations

from convprof.records.cost import Cost, LayerCost
from convprof.reporting import wording
from convprof.reporting.document import Column, Document, Sheet, Table

_COLUMNS = ("layer", "input_shape", "output_shape", "weight_shape", "macs", "parameters")


def document(cost: Cost) -> Document:
    """Dense against separable, with the ratio and the depth multiplier at which nothing is won."""
    total = ("separable, in all", "", "", "", f"{cost.macs:,}", f"{cost.parameters:,}")
    table = Table(
        "Cost",
        (
            Column("layer", "name"),
            Column("input HxWxC", "text"),
            Column("output HxWxC", "text"),
            Column("weights", "text"),
            Column("MACs"),
            Column("parameters"),
        ),
        (*(_row(layer) for layer in (cost.dense, *cost.chain)), total),
    )
    return Document(
        title="Cost of one convolution",
        lead=f"The separable one takes {wording.percent(cost.macs_ratio)} of the MACs and "
        f"{wording.percent(cost.parameters_ratio)} of the parameters; it saves MACs only below a depth multiplier of "
        f"{cost.break_even_rank}.",
        tables=(table,),
        notes=("MACs are multiply-accumulates (FLOPs = 2 x MACs), counted from the output map; biases are left out.",),
    )


def sheet(cost: Cost) -> Sheet:
    """One row a layer."""
    layers = (cost.dense, *cost.chain)
    return Sheet(_COLUMNS, tuple((*_shapes(layer), layer.macs, layer.parameters) for layer in layers))


def _row(layer: LayerCost) -> tuple[str, ...]:
    return (*_shapes(layer), f"{layer.macs:,}", f"{layer.parameters:,}")


def _shapes(layer: LayerCost) -> tuple[str, str, str, str]:
    """The layer's name and the sizes around it."""
    return layer.name, _size(layer.input_shape), _size(layer.output_shape), _size(layer.weight_shape)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))

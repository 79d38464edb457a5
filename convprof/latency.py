"""The latency of a plan from prices: what the model takes as it is, and what each candidate adds or saves."""

from __future__ import annotations

from collections.abc import Iterable

from convprof.records.plan import PlannedLayer
from convprof.records.prices import LatencyTable


def dense_ms(table: LatencyTable) -> float:
    """Milliseconds of one inference of the model as it is: its nodes and their overhead.

    The end-to-end time says the same on a quiet machine. On a busy one it is longer by what others took meanwhile,
    which the prices, found from many short times, are not: a share of the one would be no share of the other.
    """
    dense = table.probes[0]
    nodes = dense.layers + dense.rest + dense.unmapped
    return nodes + dense.nodes * table.node_overhead


def predicted_ms(table: LatencyTable, layers: Iterable[PlannedLayer]) -> float:
    """Milliseconds of one inference of the model with `layers` in it.

        the model as it is + sum over the layers of (candidate - dense layer)

    Raises KeyError for a layer that has no price.
    """
    dense = {layer.name: layer.time.ms for layer in table.layers}
    prices = {(c.name, c.form, c.rank, c.emission): c.time.ms for c in table.candidates}
    replaced = [layer for layer in layers if not layer.stays_dense]
    saved = sum(dense[at.name] - prices[at.name, at.form, at.rank, at.emission] for at in replaced)
    return dense_ms(table) - saved

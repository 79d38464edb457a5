"""What came of a user's limits, as a table: one row a limit and a model."""

from __future__ import annotations

from convprof.records.gates import Gate
from convprof.reporting import wording
from convprof.reporting.document import Column, Table


def table(gates: tuple[Gate, ...]) -> Table:
    """The limit as it was given, whether it was kept, and the figure that says so."""
    return Table(
        "Limits",
        (Column("limit", "text"), Column("outcome", "text"), Column("why", "text")),
        tuple((f"{each.name} {_limit(each)}", each.outcome, each.reason) for each in gates),
    )


def _limit(gate: Gate) -> str:
    if gate.unit == "share":
        return f"{100 * gate.limit:g} %"
    return wording.quantity(gate.limit) if gate.unit in ("parameters", "MACs") else f"{gate.limit:g}"

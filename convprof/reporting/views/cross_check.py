"""A second count of a network beside convprof's: the totals, and by operator and by node where the two part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from convprof.records.cross_check import CrossCheck
from convprof.records.remarks import Remark
from convprof.reporting import wording
from convprof.reporting.document import Column, Fact, Table


def facts(check: CrossCheck | None) -> tuple[Fact, ...]:
    """Both totals in a sentence; none where nobody asked."""
    if check is None:
        return ()
    apart = check.counted - check.macs
    if apart == 0:
        said = "the same as convprof" if _agreed(check) else "the same in sum, though not everywhere"
    else:
        said = f"{wording.count(abs(apart))} {'more' if apart > 0 else 'less'} than convprof"
    rest = check.unexplained
    reasons = f"; no reason is known for {wording.count(rest)} of it" if rest else "; every difference has a reason"
    return (Fact(f"{check.tool} counts", f"{wording.count(check.counted)}: {said}{'' if _agreed(check) else reasons}"),)


def tables(check: CrossCheck | None) -> tuple[Table, ...]:
    """By operator, and the nodes with work in them that are counted differently."""
    return () if check is None else (_operators(check), _nodes(check))


def notes(check: CrossCheck | None) -> tuple[str, ...]:
    """What neither of the two counts."""
    if check is None:
        return ()
    free = Counter[str]()
    for row in check.operators:
        if row.reason is None and not row.counted:
            free[row.op_type] += row.nodes
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(free.items()))
    return (
        f"{check.tool} {check.version} counts one multiply-accumulate as one flop, on the graph as torch runs it.",
        *((f"Neither counts anything for: {listed}.",) if free else ()),
    )


def _agreed(check: CrossCheck) -> bool:
    return all(row.reason is None for row in check.operators)


def _operators(check: CrossCheck) -> Table:
    shown = [row for row in check.operators if row.reason is not None or row.counted]
    return Table(
        f"Counted by {check.tool} as well",
        (
            Column("operator", "name"),
            Column("nodes"),
            Column("MACs"),
            Column(check.tool),
            Column("difference"),
            Column("why", "text"),
        ),
        (
            *(
                (
                    row.op_type,
                    wording.count(row.nodes),
                    *_counts(row.macs, row.counted),
                    _why(row.reason, row.others),
                )
                for row in shown
            ),
            ("total", "", *_counts(check.macs, check.counted), ""),
        ),
    )


def _nodes(check: CrossCheck) -> Table:
    return Table(
        f"Nodes of which {check.tool} counts something else",
        (
            Column("name", "name"),
            Column("operator", "name"),
            Column("MACs"),
            Column(check.tool),
            Column("difference"),
            Column("why", "text"),
        ),
        tuple((node.name, node.op_type, *_counts(node.macs, node.counted), node.reason.code) for node in check.nodes),
    )


def _counts(macs: int | None, counted: int) -> tuple[str, str, str]:
    return wording.count(macs), wording.count(counted), wording.plus(counted - (macs or 0), 0)


def _why(reason: Remark | None, others: Sequence[str]) -> str:
    return f"the same, as {', '.join(others)}" if reason is None else reason.text

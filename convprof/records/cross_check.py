"""The same network counted by another tool: where the two agree, and why they differ elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from convprof.records.remarks import Remark


@dataclass(frozen=True)
class NodeCount:
    """What another tool says of one node: what it counts, by its own operators, and those that it passes over."""

    op_type: str
    counts: Mapping[str, int]
    passed_over: tuple[str, ...]

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.counts.values())


class CrossCheckedOperator(msgspec.Struct, frozen=True):
    """Nodes of one operator of which the two counts say the same, or differ for the same reason.

    `macs` is convprof's count, None where it does not know; `counted` the other tool's, by its operators `others`.
    """

    op_type: str
    domain: str
    nodes: int
    macs: int | None
    counted: int
    others: tuple[str, ...]
    reason: Remark | None


class CrossCheckedNode(msgspec.Struct, frozen=True):
    """A node with work in it of which the two counts do not say the same."""

    name: str
    op_type: str
    macs: int | None
    counted: int
    reason: Remark


class CrossCheck(msgspec.Struct, frozen=True):
    """Both counts of the whole network, in MACs of one inference at the analysis' shapes, by operator and by node.

    counted - macs is the sum of the operators' differences; `unexplained` is the part of it that has no known reason.
    """

    tool: str
    version: str
    macs: int
    counted: int
    unexplained: int
    operators: tuple[CrossCheckedOperator, ...]
    nodes: tuple[CrossCheckedNode, ...]

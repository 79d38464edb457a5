"""Model -> CrossCheck: its work as convprof counts it and as fvcore does, and a reason for every difference.

fvcore's flop is a multiply-accumulate, so that the two speak of the same; they part where one of them counts an
operator that the other does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from convprof import execution, graph
from convprof.graph import Model, NodeWork
from convprof.records.cross_check import CrossCheck, CrossCheckedNode, CrossCheckedOperator, NodeCount
from convprof.records.remarks import Remark

_CONVENTIONS: Mapping[str, str] = {
    "batch_norm": "2 a value for scale and shift (1 without), which fold into a conv",
    "instance_norm": "5 a value (4 without scale and shift), a rough estimate",
    "group_norm": "5 a value (4 without scale and shift), a rough estimate",
    "layer_norm": "5 a value (4 without scale and shift), a rough estimate",
    "adaptive_avg_pool2d": "1 for each value that is averaged",
    "upsample_nearest2d": "1 for each value that is made",
    "upsample_bilinear2d": "4 for each value that is made",
    "grid_sampler": "4 for each value that is made",
}
"""What fvcore counts for operators that are free to convprof."""
_UNCOUNTED = Remark("uncounted", "convprof does not know its work, and says so among what is not counted")
_NOT_RUN = Remark("not-run", "torch does not run it: it is constant, or unused, or in a body that convprof counts once")
_INLINED = Remark("inlined", "it stands in a function of the model, and torch runs every call of that")
_BROADCAST = Remark("broadcast", "fvcore counts the first operand's matrices alone, and the second one has more")
_UNEXPLAINED = Remark("unexplained", "no reason is known")


@dataclass(frozen=True)
class _Checked:
    """One node with both counts."""

    work: NodeWork
    count: NodeCount | None
    reason: Remark | None

    @property
    def counted(self) -> int:
        return self.count.total if self.count else 0


def cross_check(model: Model) -> CrossCheck:
    """Count the model with fvcore as well, by running it in torch on random inputs of its shapes.

    Raises MissingError without torch or fvcore, and ModelError where they cannot run or count it.
    """
    from convprof import torch
    from convprof.torch import counting

    counts = counting.count(torch.from_model(model), execution.example_feeds(model.inputs, seed=0))
    checked = _checked(model, counts)
    operators = _operators(checked)
    return CrossCheck(
        tool="fvcore",
        version=counting.VERSION,
        macs=sum(each.work.macs or 0 for each in checked),
        counted=sum(each.counted for each in checked),
        unexplained=sum(each.counted - (each.macs or 0) for each in operators if each.reason == _UNEXPLAINED),
        operators=operators,
        nodes=tuple(
            CrossCheckedNode(each.work.name, each.work.op_type, each.work.macs, each.counted, each.reason)
            for each in checked
            if each.reason is not None and each.work.macs != 0
        ),
    )


def _checked(model: Model, counts: Mapping[str, NodeCount]) -> list[_Checked]:
    """Every node of the graph, and those that only torch runs."""
    rest = dict(counts)
    checked = []
    for work in graph.node_work(model):
        # Names of values are those of the main graph; bodies may have the same ones once more.
        count = rest.pop(work.output, None) if work.scope == "" else None
        checked.append(_Checked(work, count, _reason(work, count)))
    for output, count in rest.items():
        work = NodeWork(output, "", output, count.op_type, "", 0)
        checked.append(_Checked(work, count, _INLINED if count.total else None))
    return checked


def _reason(work: NodeWork, count: NodeCount | None) -> Remark | None:
    """Why the two counts of a node differ, None where they do not."""
    if work.macs is None:
        return _UNCOUNTED
    if work.macs == (count.total if count else 0):
        return None
    if count is None:
        return _NOT_RUN
    if work.macs == 0:
        said = "; ".join(_convention(operator) for operator, value in count.counts.items() if value)
        return Remark("convention", f"free to convprof; fvcore counts {said}")
    if count.total == 0 and count.passed_over:
        return Remark("passed-over", f"fvcore has no count for {', '.join(count.passed_over)} and takes it as nothing")
    return _BROADCAST if work.op_type == "MatMul" and count.total < work.macs else _UNEXPLAINED


def _convention(operator: str) -> str:
    return _CONVENTIONS.get(operator, f"the {operator} by which torch runs it")


def _operators(checked: list[_Checked]) -> tuple[CrossCheckedOperator, ...]:
    """The nodes by operator and reason, those with the most work first."""
    groups: defaultdict[tuple[str, str, Remark | None], list[_Checked]] = defaultdict(list)
    for each in checked:
        groups[each.work.op_type, each.work.domain, each.reason].append(each)
    rows = [
        CrossCheckedOperator(
            op_type=op_type,
            domain=domain,
            nodes=len(group),
            macs=None if reason == _UNCOUNTED else sum(each.work.macs or 0 for each in group),
            counted=sum(each.counted for each in group),
            others=tuple(sorted({name for each in group if each.count for name in each.count.counts})),
            reason=reason,
        )
        for (op_type, domain, reason), group in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-max(row.macs or 0, row.counted), row.op_type)))

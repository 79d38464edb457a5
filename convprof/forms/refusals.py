"""Why a conv cannot be factored at all, whatever the form: refusals as values with a stable code."""

from __future__ import annotations

from math import prod

from convprof.records.convs import ConvSpec
from convprof.records.remarks import Remark


def common_refusal(spec: ConvSpec) -> Remark | None:
    """None for a dense conv with a kernel of more than one element, else the reason."""
    if prod(spec.kernel_shape) == 1:
        return Remark("pointwise", "the kernel is 1x1: there is nothing to separate")
    if spec.group == 1:
        return None
    if spec.group == spec.in_channels:
        return Remark("depthwise", "the conv is depthwise already")
    return Remark("grouped", "grouped convs are not factored; only group = 1 is")

"""Made-up networks to plan for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from convprof.forms import PLANNABLE
from convprof.macs import chain_macs, chain_parameters, conv_macs, conv_parameters
from convprof.records.analysis import Analysis, ConvReport, Kind, ModelFile, Totals
from convprof.records.benchmark import Environment
from convprof.records.convs import ConvSite, ConvSpec, Rank
from convprof.records.plan import Emission, Plan
from convprof.records.prices import CandidatePrice, LatencyTable, LayerPrice, ProbePrice, Timing
from convprof.records.remarks import Remark

POINTWISE = Remark("pointwise", "the kernel is 1x1: there is nothing to separate")
OTHER_MACS = 12_345
FORM = "depthwise-pointwise"


def report(
    name: str, channels: int = 8, kernel: tuple[int, ...] = (3, 3), size: int = 8, reason: Remark | None = None
) -> ConvReport:
    axes = len(kernel)
    pads = tuple(k // 2 for k in kernel) * 2
    spec = ConvSpec(channels, channels, kernel, (1,) * axes, pads, (1,) * axes)
    output = spec.output_size((size,) * axes)
    kind: Kind = "pointwise" if reason else "standard"
    return ConvReport(
        name=name,
        node_name=name,
        op_type="Conv",
        scope="",
        kind=kind,
        input_shape=(1, channels, *(size,) * axes),
        output_shape=(1, channels, *output),
        weight_shape=spec.weight_shape,
        kernel_shape=kernel,
        strides=spec.strides,
        pads=pads,
        dilations=spec.dilations,
        group=1,
        dtype="float32",
        macs=conv_macs(spec, output),
        parameters=conv_parameters(spec, bias=True),
        share=None,
        eligible=reason is None,
        reason=reason,
    )


def analysis_of(*convs: ConvReport) -> Analysis:
    macs = [conv.macs or 0 for conv in convs]
    eligible = [conv for conv in convs if conv.eligible]
    totals = Totals(
        macs=sum(macs) + OTHER_MACS,
        macs_formula=None,
        parameters=sum(conv.parameters for conv in convs) + 77,
        conv_macs=sum(macs),
        eligible_macs=sum(conv.macs or 0 for conv in eligible),
        eligible_convs=len(eligible),
        convs=len(convs),
    )
    return Analysis("convprof.analysis/1", "0", ModelFile("model.onnx", "0" * 64), (), totals, (), convs)


def network() -> Analysis:
    return analysis_of(
        report("stem", 4),
        report("mix", 8, (1, 1), reason=POINTWISE),
        report("body", 8),
        report("head", 16, size=4),
    )


def site(conv: ConvReport) -> ConvSite:
    assert conv.input_shape is not None
    channels = conv.input_shape[1]
    spec = ConvSpec(channels, channels, conv.kernel_shape, conv.strides, conv.pads, conv.dilations)
    return ConvSite(spec, 1, conv.input_shape[2:])


def predicted_by_hand(analysis: Analysis, plan: Plan) -> tuple[int, int]:
    """MACs and parameters of everything outside the plan plus those of the chains in it."""
    layers = {layer.name: layer for layer in plan.layers}
    macs, parameters = analysis.totals.macs, analysis.totals.parameters
    for conv in analysis.convs:
        if conv.name in layers:
            chain = PLANNABLE[layers[conv.name].form].chain(site(conv).spec, layers[conv.name].rank)
            macs += chain_macs(chain, site(conv)) - (conv.macs or 0)
            parameters += chain_parameters(chain, bias=True) - conv.parameters
    return macs, parameters


def check_whole(analysis: Analysis, plan: Plan) -> None:
    """Every conv is either planned or kept for a reason, once; what is predicted is the sum."""
    names = [layer.name for layer in plan.layers] + [kept.name for kept in plan.kept]
    assert sorted(names) == sorted(conv.name for conv in analysis.convs)
    assert all(kept.reason.code and kept.reason.text for kept in plan.kept)
    assert (plan.predicted.macs, plan.predicted.parameters) == predicted_by_hand(analysis, plan)


def timing(milliseconds: float) -> Timing:
    return Timing(milliseconds, 0.04 * milliseconds, 3)


def prices_of(
    analysis: Analysis,
    layers: Mapping[str, float],
    candidates: Mapping[tuple[str, Rank], float],
    concat: Mapping[tuple[str, Rank], float] = MappingProxyType({}),
    rest: float = 1.0,
) -> LatencyTable:
    """Made-up prices in ms of depthwise-pointwise candidates, summed and concatenated; `rest` is all but the convs."""
    end_to_end = timing(sum(layers.values()) + rest)
    emissions: tuple[tuple[Emission, Mapping[tuple[str, Rank], float]], ...] = (("sum", candidates), ("concat", concat))
    return LatencyTable(
        schema="convprof.latency/1",
        model=analysis.model,
        inputs=analysis.inputs,
        precision="float32",
        environment=Environment("cpu", 1, 1, (), "1", "os", "3", "2", "0"),
        layers=tuple(LayerPrice(name, timing(ms)) for name, ms in layers.items()),
        candidates=tuple(
            CandidatePrice(name, FORM, rank, emission, timing(ms))
            for emission, those in emissions
            for (name, rank), ms in those.items()
        ),
        probes=(ProbePrice("dense", 3, sum(layers.values()), rest, 0.0, end_to_end),),
        node_overhead=0.0,
    )

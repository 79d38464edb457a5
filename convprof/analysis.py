"""What a model holds, what it costs, which convs could be replaced by what, and why the others cannot."""

from __future__ import annotations

from math import prod

import numpy as np

from convprof._version import __version__
from convprof.errors import ModelError
from convprof.forms import FORMS
from convprof.graph import ConvNode, Model, conv_weights, conv_work, find_convs, measure_work
from convprof.macs import chain_macs, chain_parameters
from convprof.records.analysis import Analysis, ConvReport, FormOption, Kind, Totals
from convprof.records.convs import ConvSite
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark


def analyze(model: Model, *, max_rank: int, progress: Progress = silent) -> Analysis:
    """Describe every conv of the model; `max_rank` is how many ranks of each form to offer, 0 for the costs alone."""
    work = measure_work(model)
    found = find_convs(model)
    reports: list[ConvReport] = []
    for number, conv in enumerate(found, 1):
        reports.append(_report(conv, work.macs, max_rank))
        progress("analyze", number, len(found))
    macs = [report.macs or 0 for report in reports]
    eligible = [report for report in reports if report.eligible]
    return Analysis(
        schema="convprof.analysis/1",
        convprof=__version__,
        model=model.file,
        inputs=model.inputs,
        totals=Totals(
            macs=work.macs,
            macs_formula=work.macs_formula,
            parameters=work.parameters,
            conv_macs=sum(macs),
            eligible_macs=sum(report.macs or 0 for report in eligible),
            eligible_convs=len(eligible),
            convs=len(reports),
        ),
        uncounted=work.uncounted,
        convs=tuple(reports),
        notices=model.notices,
    )


def _report(conv: ConvNode, total: int, max_rank: int) -> ConvReport:
    macs = conv_work(conv)
    reason = conv.refusal
    forms: tuple[FormOption, ...] = ()
    if reason is None and conv.site is not None:
        reason, forms = _options(conv, conv.site, max_rank)
    spec = conv.site.spec if conv.site else None
    return ConvReport(
        name=conv.name,
        node_name=conv.node.name or "",
        op_type=conv.op_type,
        scope=conv.scope,
        kind=_kind(conv),
        input_shape=conv.input_shape,
        output_shape=conv.output_shape,
        weight_shape=conv.weight_shape,
        kernel_shape=(conv.weight_shape or ())[2:],
        strides=spec.strides if spec else (),
        pads=spec.pads if spec else (),
        dilations=spec.dilations if spec else (),
        group=conv.group,
        dtype=conv.dtype,
        macs=macs,
        parameters=conv_weights(conv),
        share=macs / total if macs is not None and total else None,
        eligible=reason is None,
        reason=reason,
        forms=forms,
    )


def _kind(conv: ConvNode) -> Kind:
    shape = conv.weight_shape or ()
    if conv.group > 1:
        return "depthwise" if shape[1:2] == (1,) else "grouped"
    return "pointwise" if shape and prod(shape[2:]) == 1 else "standard"


def _options(conv: ConvNode, site: ConvSite, max_rank: int) -> tuple[Remark | None, tuple[FormOption, ...]]:
    """What could replace the conv, or why nothing can."""
    refusals = {name: form.applies(site.spec) for name, form in FORMS.items()}
    if all(refusals.values()):
        return next(iter(refusals.values())), ()
    ranks = {name: FORMS[name].ranks(site) for name, refusal in refusals.items() if refusal is None}
    if not any(ranks.values()):
        return Remark("no-cheaper-form", "no form is cheaper than the conv itself, at any rank"), ()
    if max_rank == 0:
        return None, ()
    try:
        kernel = np.asarray(conv.kernel(), np.float32)
    except ModelError as error:
        return Remark("weights-unreadable", error.why), ()
    if not np.isfinite(kernel).all():
        return Remark("weights-not-finite", "the weights hold NaN or infinity"), ()
    options: list[FormOption] = []
    for name, every in ranks.items():
        form, offered = FORMS[name], every[:max_rank]
        for rank, energy in zip(offered, form.energy(kernel, offered), strict=True):
            chain = form.chain(site.spec, rank)
            options.append(
                FormOption(
                    form=name,
                    rank=rank,
                    macs=chain_macs(chain, site),
                    parameters=chain_parameters(chain, bias=conv.has_bias),
                    energy=energy,
                    energy_random=form.energy_random(site.spec, rank),
                )
            )
    return None, tuple(options)

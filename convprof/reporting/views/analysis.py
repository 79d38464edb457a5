"""An analysis as tables that fit 80 columns, and as one row a conv and option."""

from __future__ import annotations

from statistics import median

from convprof.records.analysis import Analysis, ConvReport, FormOption
from convprof.reporting import wording
from convprof.reporting.document import Column, Document, Fact, Sheet, Table, filled
from convprof.reporting.escaping import shortened, visible
from convprof.reporting.views import cross_check
from convprof.reporting.views.prospects import READING, eligible_share, energy, first

_RANKS_SHOWN = 4


def document(analysis: Analysis) -> Document:
    """Cost, what to convert first, what could replace what, and what was left alone and why."""
    return Document(
        title=f"Analysis of {visible(analysis.model.path)}",
        facts=facts(analysis),
        tables=filled(
            (
                costs(analysis),
                first(analysis),
                _replacements(analysis),
                forms(analysis),
                _refusals(analysis),
                uncounted(analysis),
                *cross_check.tables(analysis.cross_check),
            )
        ),
        notes=(
            wording.CONVENTION,
            "Energy is the share of a kernel's squared norm that a rank keeps; in brackets what random kernels of that "
            "shape would keep. Every form at every rank: the json and csv formats.",
            f"What to convert first: {READING[0].lower()}{READING[1:]}",
            *cross_check.notes(analysis.cross_check),
            *remarks(analysis),
        ),
    )


def sheet(analysis: Analysis) -> Sheet:
    """One row a conv and option; a conv without an option has one row with empty option columns."""
    return Sheet(
        (
            "name",
            "op_type",
            "scope",
            "kind",
            "weight_shape",
            "output_shape",
            "macs",
            "parameters",
            "share",
            "eligible",
            "reason",
            "form",
            "rank",
            "form_macs",
            "form_parameters",
            "energy",
            "energy_random",
        ),
        tuple(
            (
                conv.name,
                conv.op_type,
                conv.scope,
                conv.kind,
                _shape_cell(conv.weight_shape),
                _shape_cell(conv.output_shape),
                conv.macs,
                conv.parameters,
                conv.share,
                conv.eligible,
                conv.reason.code if conv.reason else None,
                option.form if option else None,
                wording.rank(option.rank) if option else None,
                option.macs if option else None,
                option.parameters if option else None,
                option.energy if option else None,
                option.energy_random if option else None,
            )
            for conv in analysis.convs
            for option in (conv.forms or (None,))
        ),
    )


def _shape_cell(shape: tuple[int, ...] | None) -> str | None:
    return None if shape is None else wording.shape(shape)


def remarks(analysis: Analysis) -> tuple[str, ...]:
    """What to mind."""
    return wording.remarks(analysis.notices)


def facts(analysis: Analysis) -> tuple[Fact, ...]:
    """Inputs and totals."""
    totals = analysis.totals
    inputs = ", ".join(f"{shortened(each.name)} {each.dtype} {wording.shape(each.shape)}" for each in analysis.inputs)
    formula = (Fact("MACs as a formula", totals.macs_formula),) if totals.macs_formula else ()
    return (
        Fact("Inputs", inputs or "none"),
        Fact(
            "MACs",
            f"{wording.count(totals.macs)} ({wording.quantity(totals.conv_macs)} in {totals.convs} convolutions)",
        ),
        *formula,
        Fact("Parameters", wording.count(totals.parameters)),
        Fact(
            "Replaceable",
            f"{totals.eligible_convs} of {totals.convs} convolutions, {eligible_share(analysis)} of all MACs",
        ),
        *cross_check.facts(analysis.cross_check),
    )


def costs(analysis: Analysis) -> Table:
    """One row a conv: geometry, MACs, parameters."""
    return Table(
        "Convolutions",
        (
            Column("name", "name"),
            Column("kind", "text"),
            Column("weight"),
            Column("output"),
            Column("MACs"),
            Column("share"),
            Column("params"),
        ),
        tuple(
            (
                conv.name,
                conv.kind,
                wording.shape(conv.weight_shape or conv.kernel_shape),
                wording.shape(conv.output_shape),
                wording.quantity(conv.macs),
                wording.percent(conv.share),
                wording.quantity(conv.parameters),
            )
            for conv in analysis.convs
        ),
    )


def _replacements(analysis: Analysis) -> Table:
    """The form that is offered first, rank by rank: share of the conv's MACs, and energy (of random kernels)."""
    offered = [conv for conv in analysis.convs if conv.forms]
    if not offered:
        return Table("Replacements", (), ())
    first = offered[0].forms[0].form
    chosen = {conv.name: [option for option in conv.forms if option.form == first] for conv in offered}
    depth = min(_RANKS_SHOWN, max(len(options) for options in chosen.values()))
    return Table(
        f"As {visible(first)}: share of the conv's MACs, kernel energy kept (random kernels)",
        (Column("name", "name"), *(Column(f"option {at + 1}") for at in range(depth))),
        tuple(
            (conv.name, *(_option(conv, chosen[conv.name], at) for at in range(depth)))
            for conv in offered
            if chosen[conv.name]
        ),
    )


def _option(conv: ConvReport, options: list[FormOption], at: int) -> str:
    if at >= len(options):
        return ""
    option = options[at]
    return f"r{wording.rank(option.rank)} {_macs_share(conv, option)} {energy(option)}"


def _macs_share(conv: ConvReport, option: FormOption) -> str:
    return f"{wording.fixed(100 * option.macs / conv.macs, 0)}%" if conv.macs else wording.UNKNOWN


def forms(analysis: Analysis) -> Table:
    """Each form at its cheapest and at its richest option in every conv that it fits."""
    names = dict.fromkeys(option.form for conv in analysis.convs for option in conv.forms)
    return Table(
        "Forms: MACs of the model, and median kernel energy kept (random kernels)",
        (
            Column("form", "text"),
            Column("convs"),
            Column("cheapest MACs"),
            Column("energy"),
            Column("richest MACs"),
            Column("energy"),
        ),
        tuple(_form(analysis, name) for name in names),
    )


def _form(analysis: Analysis, name: str) -> tuple[str, ...]:
    fitting = [(conv, [each for each in conv.forms if each.form == name]) for conv in analysis.convs]
    fitting = [(conv, sorted(options, key=lambda each: each.macs)) for conv, options in fitting if options]
    cells = [name, str(len(fitting))]
    for end in (0, -1):
        saved = sum((conv.macs or 0) - options[end].macs for conv, options in fitting)
        total = analysis.totals.macs
        cells += [
            wording.percent((total - saved) / total, 0) if total else wording.UNKNOWN,
            _median_energy([options[end] for _, options in fitting]),
        ]
    return tuple(cells)


def _median_energy(options: list[FormOption]) -> str:
    kept = [each.energy for each in options if each.energy is not None]
    random = [each.energy_random for each in options if each.energy_random is not None]
    if not kept:
        return wording.UNKNOWN
    beside = f" ({wording.fixed(100 * median(random), 0)})" if random else ""
    return wording.amount(f"{wording.fixed(100 * median(kept), 0)}{beside}", median(kept))


def _refusals(analysis: Analysis) -> Table:
    return Table(
        "Left alone",
        (Column("name", "name"), Column("code", "text"), Column("why", "text")),
        tuple(
            (conv.name, conv.reason.code, conv.reason.text)
            if conv.reason
            else (conv.name, wording.UNKNOWN, "no reason given")
            for conv in analysis.convs
            if not conv.eligible
        ),
    )


def uncounted(analysis: Analysis) -> Table:
    """Operators whose work is in no total."""
    return Table(
        "Operators whose work is not counted",
        (Column("operator", "name"), Column("domain", "name"), Column("nodes")),
        tuple((each.op_type, each.domain or "ai.onnx", str(each.count)) for each in analysis.uncounted),
        folded=True,
    )

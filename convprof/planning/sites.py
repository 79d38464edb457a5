"""From the names and shapes of an analysis to forms and places."""

from __future__ import annotations

from convprof.errors import PlanError
from convprof.forms import FORMS, Form
from convprof.records.analysis import ConvReport
from convprof.records.convs import ConvSite, ConvSpec


def known_form(name: str) -> Form:
    """The form of that name; raises PlanError where there is none."""
    if name not in FORMS:
        raise PlanError(f"form {name!r}", "there is no such form", f"known are {', '.join(FORMS)}")
    return FORMS[name]


def site_of(conv: ConvReport) -> ConvSite:
    """The conv's place, from its report; raises PlanError where its shapes are not known."""
    if conv.input_shape is None or conv.weight_shape is None:
        raise PlanError(f"layer {conv.name!r}", "its shapes are unknown", "give --input-shape")
    spec = ConvSpec(
        conv.input_shape[1],
        conv.weight_shape[0],
        conv.kernel_shape,
        conv.strides,
        conv.pads,
        conv.dilations,
        conv.group,
    )
    return ConvSite(spec, conv.input_shape[0], conv.input_shape[2:])

"""The forms that a plan may give a dense convolution: one file each, one row each in FORMS or PLANNABLE."""

from convprof.forms.channel import Channel
from convprof.forms.contract import Form
from convprof.forms.dense import Dense
from convprof.forms.depthwise_pointwise import DepthwisePointwise
from convprof.forms.planned import planned_form
from convprof.forms.pointwise_depthwise import PointwiseDepthwise
from convprof.forms.pointwise_depthwise_pointwise import PointwiseDepthwisePointwise
from convprof.forms.refusals import common_refusal
from convprof.forms.spatial import Spatial
from convprof.forms.tucker2 import Tucker2

FORMS: dict[str, Form] = {
    "depthwise-pointwise": DepthwisePointwise(),
    "pointwise-depthwise": PointwiseDepthwise(),
    "pointwise-depthwise-pointwise": PointwiseDepthwisePointwise(),
    "spatial": Spatial(),
    "channel": Channel(),
    "tucker2": Tucker2(),
}
"""What a conv can be replaced by to make it cheaper: the candidates."""

PLANNABLE: dict[str, Form] = {**FORMS, "dense": Dense()}
"""Every form that a plan may name: the candidates, and the conv itself, its numbers fitted anew."""

__all__ = ["FORMS", "PLANNABLE", "Form", "common_refusal", "planned_form"]

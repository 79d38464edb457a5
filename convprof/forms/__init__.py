"""The forms a dense convolution can be factored into: one file each, one row each in FORMS."""

from convprof.forms.channel import Channel
from convprof.forms.contract import Form
from convprof.forms.depthwise_pointwise import DepthwisePointwise
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

__all__ = ["FORMS", "Form", "common_refusal"]

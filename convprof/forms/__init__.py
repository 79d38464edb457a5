"""The forms a dense convolution can be factored into: one file each, one row each in FORMS."""

from convprof.forms.contract import Form
from convprof.forms.depthwise_pointwise import DepthwisePointwise
from convprof.forms.pointwise_depthwise import PointwiseDepthwise
from convprof.forms.refusals import common_refusal
from convprof.forms.spatial import Spatial

FORMS: dict[str, Form] = {
    "depthwise-pointwise": DepthwisePointwise(),
    "pointwise-depthwise": PointwiseDepthwise(),
    "spatial": Spatial(),
}

__all__ = ["FORMS", "Form", "common_refusal"]

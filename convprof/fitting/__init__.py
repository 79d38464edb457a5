"""Numbers for every planned layer: a stage of a few files.

`plans` (its plan), `layers` (one after another), `cut` (responses that are cut off), `drift` (what the layers do to
the model's outputs), `keeping` and `resuming` (a fit that goes on later).
"""

from convprof.fitting.keeping import KeptLayers
from convprof.fitting.layers import factor, fit
from convprof.fitting.resuming import keep

__all__ = ["KeptLayers", "factor", "fit", "keep"]

"""Numbers for every planned layer: a stage of a few files.

`plans` (its plan), `layers` (one after another), `evidence` (what a layer sees and should answer), `levels` (for
ablations), `drift` (what the layers do to the model's outputs), `keeping` and `resuming` (a fit that goes on later).
"""

from convprof.fitting.keeping import KeptLayers
from convprof.fitting.layers import factor, fit
from convprof.fitting.levels import Level
from convprof.fitting.plans import in_order
from convprof.fitting.resuming import keep, left_behind

__all__ = ["KeptLayers", "Level", "factor", "fit", "in_order", "keep", "left_behind"]

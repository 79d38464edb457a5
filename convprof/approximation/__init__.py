"""One layer, its geometry and what it sees and should answer -> the numbers of its chain.

`sampling` (positions of values become evidence), `evidence`, `choosing` (how to fit, held-out part in hand), `behind`
and `curves` (activations). Where values come from is the affair of whoever asks: a walk over an ONNX graph, or a torch
model with hooks.
"""

from convprof.approximation.choosing import Approximation, Layer, approximate
from convprof.approximation.evidence import Evidence, Part
from convprof.approximation.sampling import Gathering, Sampling

__all__ = ["Approximation", "Evidence", "Gathering", "Layer", "Part", "Sampling", "approximate"]

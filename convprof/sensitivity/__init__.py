"""What each candidate would do, to its layer and to the model's outputs: a stage of a few files.

`surveying` (the stage), `evidence` (what a layer sees, and how far a candidate falls short of it), `anchors` (a few
candidates fitted, the others between them), `probing` (one layer disturbed, the outputs watched).
"""

from convprof.sensitivity.surveying import Offers, survey

__all__ = ["Offers", "survey"]

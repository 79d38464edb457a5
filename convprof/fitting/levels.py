"""How much of the method a fit uses: the steps that an ablation takes away one by one."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """Each level has all that stands before it; the last is what the commands do."""

    SYMMETRIC = 0
    """Inputs and responses of the original network."""
    ASYMMETRIC = 1
    """Inputs of the network converted so far, responses of the original (Zhang et al. 2015, section 3.3)."""
    JOINED = 2
    """Where a sum joins the response with another path: the original's sum less the converted network's other path."""
    ACTIVATED = 3
    """Where an activation follows: what it makes of the response."""
    HELD_OUT = 4
    """Few inputs: ridge, mixture with the original's inputs and the step above are chosen on inputs held out."""

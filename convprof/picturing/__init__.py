"""Two open models, a few samples -> Pictures: input, dense output, converted output and their difference.

A stage of two files: `exhibits` (the stage) and `shades` (values to what is seen).
"""

from convprof.picturing.exhibits import take

__all__ = ["take"]

"""Numbers for every planned layer: a stage in three files, its plan, its layers, and responses that are cut off."""

from convprof.fitting.layers import factor, fit

__all__ = ["factor", "fit"]

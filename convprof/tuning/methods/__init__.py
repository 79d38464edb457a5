"""The methods that a recipe may name: one file each, one row each."""

from convprof.tuning.methods.contract import Method, Work
from convprof.tuning.methods.distill import Distill

METHODS: dict[str, Method] = {"distill": Distill()}

__all__ = ["METHODS", "Method", "Work"]

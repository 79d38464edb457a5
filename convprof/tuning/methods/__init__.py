"""The methods that a recipe may name: one file each, one row each."""

from convprof.tuning.methods.contract import Method, Work
from convprof.tuning.methods.distill import Distill
from convprof.tuning.methods.finetune import Finetune
from convprof.tuning.methods.reconstruct import Reconstruct

METHODS: dict[str, Method] = {
    "reconstruct": Reconstruct(),
    "distill": Distill(),
    "finetune": Finetune(),
}

__all__ = ["METHODS", "Method", "Work"]

"""Recipes: which methods win accuracy back, in which order."""

from __future__ import annotations

from convprof.errors import UsageError
from convprof.graph import Program

BIAS, FINETUNE = "bias", "finetune"
FEW = 4096
"""Samples, below which blocks are matched before class scores are (docs/decisions/0031-recipe.md)."""


def usual(program: Program, samples: int) -> tuple[str, ...]:
    """The recipe for so many samples without labels: maps say as much as blocks do, a few class scores do not."""
    maps = any(size != 1 for value in program.graph.outputs for size in (value.shape or ())[2:])
    return ("reconstruct", "distill") if samples < FEW and not maps else ("distill",)


def trained(recipe: tuple[str, ...], teacher: object) -> tuple[str, ...]:
    """The methods of a recipe behind `bias`; raises UsageError where that is not the first, or has no teacher."""
    if BIAS not in recipe:
        return recipe
    if BIAS in recipe[1:]:
        why = "what trains behind it finds better biases than means do, and what trains before it has found them"
        raise UsageError(f"--recipe {','.join(recipe)}", why, "name bias first, or leave it out")
    if teacher is None:
        raise UsageError(f"--recipe {BIAS}", "it imitates a teacher", "give --teacher ORIGINAL.onnx")
    return recipe[1:]

"""Which convs the user wants converted."""

from __future__ import annotations

from collections.abc import Collection

from convprof.errors import PlanError
from convprof.records.analysis import Analysis, ConvReport


def select(analysis: Analysis, only: Collection[str], skip: Collection[str]) -> tuple[ConvReport, ...]:
    """The eligible convs that the user wants converted; raises PlanError for names that the model does not have."""
    known = {conv.name for conv in analysis.convs}
    for option, names in (("--only", only), ("--skip", skip)):
        for name in names:
            if name not in known:
                raise PlanError(
                    f"{option} {name!r}", "the model has no conv of that name", "see `convprof analyze` for the names"
                )
    wanted = tuple(c for c in analysis.eligible() if (not only or c.name in only) and c.name not in skip)
    if not wanted:
        raise PlanError(analysis.model.path, "no conv is left to convert", "see `convprof analyze` for the reasons")
    return wanted

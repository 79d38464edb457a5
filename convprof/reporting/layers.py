"""One line a conv of a run: what the plan, the fit and the counts each say about it, joined by name."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.records.analysis import ConvReport
from convprof.records.remarks import Remark
from convprof.records.run import Run


@dataclass(frozen=True)
class Layer:
    """One conv before and after.

    A layer that stays as it is has no form and, where one was given, a reason; one that is refitted has a form without
    a rank.
    """

    name: str
    form: str | None
    rank: tuple[int, ...] | None
    emission: str | None
    macs_before: int | None
    macs_after: int | None
    parameters_before: int | None
    parameters_after: int | None
    latency_before_ms: float | None
    latency_after_ms: float | None
    error: float | None
    error_weights: float | None
    model_error: float | None
    reason: Remark | None

    @property
    def replaced(self) -> bool:
        """Whether the plan put something cheaper in its place."""
        return self.form is not None and bool(self.rank)

    @property
    def refitted(self) -> bool:
        """Whether it stays dense and its numbers were fitted anew."""
        return self.form is not None and not self.rank


def layers(run: Run) -> tuple[Layer, ...]:
    """Every conv that any part of the run names, in the model's order."""
    named = [
        *(conv.name for conv in run.analysis.convs),
        *(change.name for change in run.layers),
        *(planned.name for planned in run.plan.layers),
        *(kept.name for kept in run.plan.kept),
    ]
    convs = {conv.name: conv for conv in run.analysis.convs}
    planned = {each.name: each for each in run.plan.layers}
    changes = {each.name: each for each in run.layers}
    fits = {each.name: each for each in run.fits}
    reasons = {each.name: each.reason for each in run.plan.kept}

    def joined(name: str) -> Layer:
        step, change, fit = planned.get(name), changes.get(name), fits.get(name)
        macs, parameters = _unchanged(convs.get(name))
        stays = step is None
        return Layer(
            name=name,
            form=step.form if step else None,
            rank=step.rank if step else None,
            emission=step.emission if step else None,
            macs_before=change.macs_before if change else macs,
            macs_after=change.macs_after if change else macs if stays else None,
            parameters_before=change.parameters_before if change else parameters,
            parameters_after=change.parameters_after if change else parameters if stays else None,
            latency_before_ms=change.latency_before_ms if change else None,
            latency_after_ms=change.latency_after_ms if change else None,
            error=fit.error if fit else None,
            error_weights=fit.error_weights if fit else None,
            model_error=fit.model_error if fit else None,
            reason=_reason(convs.get(name), reasons.get(name)) if stays else None,
        )

    return tuple(joined(name) for name in dict.fromkeys(named))


def _unchanged(conv: ConvReport | None) -> tuple[int | None, int | None]:
    """MACs and parameters of a conv as the analysis counted them."""
    return (conv.macs, conv.parameters) if conv else (None, None)


def _reason(conv: ConvReport | None, kept: Remark | None) -> Remark | None:
    """The planner's reason for keeping, or else the analysis's reason for refusing."""
    return kept or (conv.reason if conv else None)

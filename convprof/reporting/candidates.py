"""Which convs to convert first, guessed from an analysis alone: much work saved, much of the kernel kept."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.records.analysis import Analysis, ConvReport, FormOption


@dataclass(frozen=True)
class Candidate:
    """The most promising option of a conv.

    `saved` is the share of the model's MACs that it saves. `beyond` is how much of what a random kernel would lose at
    that rank this kernel keeps: 0 is a kernel without structure, 1 one that loses nothing.
    """

    name: str
    option: FormOption
    share: float
    saved: float
    beyond: float

    @property
    def promise(self) -> float:
        """What candidates are ordered by: a large saving on a kernel without structure is worth nothing."""
        return self.saved * self.beyond


def candidates(analysis: Analysis) -> tuple[Candidate, ...]:
    """One candidate for each conv that has any, the most promising first."""
    best = [max(found, key=_promise) for conv in analysis.convs if (found := _options(conv, analysis.totals.macs))]
    return tuple(sorted(best, key=_promise, reverse=True))


def _promise(candidate: Candidate) -> float:
    return candidate.promise


def _options(conv: ConvReport, total: int) -> list[Candidate]:
    """The options of a conv that save work and keep more than random kernels would."""
    if conv.macs is None or not total:
        return []
    found = [
        Candidate(conv.name, option, conv.macs / total, (conv.macs - option.macs) / total, _beyond(option))
        for option in conv.forms
    ]
    return [each for each in found if each.promise > 0 and each.saved > 0]


def _beyond(option: FormOption) -> float:
    """0 where nothing is known of the kernel, and at full rank, where random kernels lose nothing either."""
    if option.energy is None or option.energy_random is None or option.energy_random >= 1:
        return 0.0
    return (option.energy - option.energy_random) / (1 - option.energy_random)

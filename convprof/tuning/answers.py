"""What the teacher says to a batch: asked at every step, or once to every sample and remembered.

Class scores of pictures are the mean over several views: a picture and its mirror image and, where pictures are moved
while the student learns, moved ones too. That is a better teacher than the one answer, and remembered it costs a few
passes over the data instead of half of every step (docs/decisions/0033-answers.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from convprof.records.progress import Progress
from convprof.torch import Module
from convprof.tuning import settings
from convprof.tuning.augmenting import Views
from convprof.tuning.running import Running
from convprof.tuning.samples import Batch, Samples

Values = dict[str, Tensor]


class Answers:
    """A teacher's values called `names`, the mean over `views`; None where a changed input has another answer."""

    def __init__(self, teacher: Module, samples: Samples, names: Sequence[str], views: Views | None) -> None:
        self._teacher, self._samples, self._names, self._views = teacher, samples, list(names), views
        self._known: Values = {}
        self._held_out: dict[int, Values] = {}

    @property
    def views(self) -> int:
        """Over how many views of an input an answer is the mean."""
        return 1 if self._views is None else 1 + len(self._views.usual)

    @property
    def choices(self) -> tuple[int, ...]:
        """How many views of each sample can be remembered, most first; none where they would take too much room."""
        if self._views is None:
            return ()
        said = self._asked(next(self._samples.held_out_batches()))
        room = sum(value[0].numel() for value in said.values()) * self._samples.count
        return self._views.choices if room <= settings.REMEMBERED else ()

    def of(self, batch: Batch) -> Values:
        """What it says to a batch, in float32; not differentiated."""
        if not self._known:
            return self._asked(batch)
        return {name: known[torch.from_numpy(batch.numbers)] for name, known in self._known.items()}

    def of_held_out(self, batch: Batch) -> Values:
        """The same for a held-out batch, which never changes."""
        if batch.number in self._held_out:
            return self._held_out[batch.number]
        values = self.of(batch)
        held = sum(value.numel() for each in (values, *self._held_out.values()) for value in each.values())
        if held <= settings.REMEMBERED:
            self._held_out[batch.number] = values
        return values

    def seconds(self, running: Running, timer: Callable[[], float]) -> float:
        """How long it takes to ask it about one view of every sample."""
        batch = running.placed(next(self._samples.everything()))

        def ask() -> None:
            with running.precision():
                self._teacher.run(batch.feeds, self._names)

        return running.seconds(ask, timer) * self._samples.passes

    def remember(self, views: int, running: Running, progress: Progress) -> None:
        """Ask about so many views of every sample, and from now on answer with their mean."""
        assert self._views is not None
        self._views = self._views.taken(views)
        self._known, self._held_out, together = {}, {}, self._samples.together
        known: Values = {}
        for done, batch in enumerate(self._samples.everything(), 1):
            with running.precision():
                values = self._asked(running.placed(batch))
            for name, value in values.items():
                empty = known.setdefault(name, value.new_zeros(self._samples.count, *value.shape[1:]))
                empty[torch.from_numpy(batch.numbers)] = value
            progress("the original's answers", done, self._samples.passes)
        self._known = {name: together.total(value) for name, value in known.items()}

    @torch.no_grad()
    def _asked(self, batch: Batch) -> Values:
        views = [] if self._views is None else self._views.of(batch.feeds)
        values = [self._teacher.run(feeds, self._names) for feeds in (batch.feeds, *views)]
        return {name: torch.stack([each[name].float() for each in values]).mean(0) for name in self._names}

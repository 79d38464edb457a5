"""What the teacher says to a batch: asked at every step or, where inputs never change, once and remembered.

Class scores of pictures are the mean of what it says to a picture and to its mirror image, moved a little aside where
pictures are moved: a better teacher than the one answer. It is asked about the very pictures that the student sees,
moved as they are: a mean over views of the sample as it is would be cheaper, and teaches the student not to mind what
was done to the picture (docs/decisions/0036-asked.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from convprof.records.progress import Progress
from convprof.torch import Module
from convprof.tuning import settings
from convprof.tuning.augmenting import Pictures
from convprof.tuning.running import Running
from convprof.tuning.samples import Batch, Samples

Values = dict[str, Tensor]


class Answers:
    """A teacher's values called `names`, the mean over both mirror images of `mirrored`, or of inputs as they are.

    `changes` names what is done to inputs while the student learns; where nothing is, they always have the same answer.
    """

    def __init__(
        self, teacher: Module, samples: Samples, names: Sequence[str], mirrored: Pictures | None, changes: Sequence[str]
    ) -> None:
        self._teacher, self._samples, self._names = teacher, samples, list(names)
        self._mirrored, self._lasting, self._aside = mirrored, not changes, "crop" in changes
        self._known: Values = {}
        self._held_out: dict[int, Values] = {}

    @property
    def views(self) -> int:
        """Over how many views of an input an answer is the mean."""
        return 1 if self._mirrored is None else 2

    @property
    def memorable(self) -> bool:
        """Whether they can be remembered: they stay the same, and there is room for all."""
        if not self._lasting:
            return False
        said = self._asked(next(self._samples.held_out_batches()))
        room = sum(value[0].numel() for value in said.values()) * self._samples.count
        return room <= settings.REMEMBERED

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
        """How long it takes to ask it about all samples."""
        batch = running.placed(next(self._samples.everything()))

        def ask() -> None:
            with running.precision():
                self._asked(batch)

        return running.seconds(ask, timer) * self._samples.passes

    def remember(self, running: Running, progress: Progress) -> None:
        """Ask about all samples, and from now on answer with what it said."""
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
        seen = [batch.feeds]
        if self._mirrored is not None:
            name = self._mirrored.name
            other = self._mirrored.mirrored(batch.feeds[name])
            seen.append({**batch.feeds, name: self._mirrored.aside(other) if self._aside else other})
        values = [self._teacher.run(feeds, self._names) for feeds in seen]
        return {name: torch.stack([each[name].float() for each in values]).mean(0) for name in self._names}

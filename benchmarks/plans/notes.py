"""What is said on stderr while a section runs, with the time of day."""

from __future__ import annotations

import sys
import time


def note(text: str) -> None:
    """One line."""
    print(f"    {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Ticker:
    """A progress that speaks at most every `seconds`, and notes how long each kind of work has taken in all."""

    def __init__(self, seconds: float = 20.0) -> None:
        self._seconds = seconds
        self._spoken = self._last = time.perf_counter()
        self.spent: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """The time since the last call is counted as `what`'s."""
        now = time.perf_counter()
        self.spent[what] = self.spent.get(what, 0.0) + now - self._last
        self._last = now
        if now - self._spoken >= self._seconds:
            self._spoken = now
            note(f"{what} {done} of {total}")

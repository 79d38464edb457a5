"""Whether this is one of several processes that a launcher such as torchrun has started, as their environment tells."""

from __future__ import annotations

import os

from convprof.errors import UsageError


def rank() -> int:
    """The number of this process, 0 for the first or only one; raises UsageError where the variable is no number."""
    return _read("RANK", 0)


def count() -> int:
    """How many there are; raises UsageError where the variable is no number."""
    return max(1, _read("WORLD_SIZE", 1))


def _read(name: str, usual: int) -> int:
    text = os.environ.get(name, str(usual))
    if not (text.isascii() and text.isdigit()):
        raise UsageError(name, f"the variable is {text!r}, no number", "unset it, or start several with torchrun")
    return int(text)

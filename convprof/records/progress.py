"""How long work reports where it stands: a callable that a caller passes in."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total) after each unit of work."""


def silent(what: str, done: int, total: int) -> None:
    """The progress that says nothing."""

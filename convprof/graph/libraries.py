"""What the libraries under this room log is said by us, as an error or a notice, or is of no use to a user."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hushed(library: str) -> Iterator[None]:
    """Keep the library's log off the terminal for as long as the block runs."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)

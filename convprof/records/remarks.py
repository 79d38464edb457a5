"""A remark: a stable code for machines and a sentence for people."""

from __future__ import annotations

import msgspec


class Remark(msgspec.Struct, frozen=True):
    """A reason, a notice or a caution: `code` never changes its meaning, `text` is for reading."""

    code: str
    text: str

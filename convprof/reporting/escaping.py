"""Names out of a model file are hostile until they have passed through here.

`visible` is the base of all media: characters that do not print (terminal escapes, newlines, marks that turn the
reading direction) become their Python escapes, so what is there can be seen and does nothing. HTML needs no more than
jinja's autoescape on top.

Spreadsheets run a cell that begins with = + - or @ as a formula. Such text gets one apostrophe in front, as
spreadsheets themselves mark text, and so does text that already begins with an apostrophe: taking one leading
apostrophe off always gives the name back.
"""

from __future__ import annotations

import re

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
LONGEST = 120

_PLAIN = re.compile(r"[A-Za-z0-9_./:+,=()\-]+(?: [A-Za-z0-9_./:+,=()\-]+)*")
_FORMULA = ("=", "+", "-", "@", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_PROSE = {ord(c): f"&#{ord(c)};" for c in "\\`<>&|@"} | {ord(c): f"\\{c}" for c in "*_[]~#!$"}


def visible(text: str) -> str:
    """`text` with every character that does not print written as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """`text` made visible, its middle left out beyond `longest` characters: both ends of a name tell layers apart."""
    text = visible(text)
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return text[:head] + ELLIPSIS + text[len(text) - (longest - 1 - head) :]


def markdown_name(name: str) -> str:
    """A name as code, shortened to fit a table's cell."""
    return markdown_code(shortened(name))


def markdown_code(text: str) -> str:
    """Code, where neither mentions nor links nor markup are read; also safe within a table's cell."""
    text = visible(text)
    if not text:
        return ""
    if _PLAIN.fullmatch(text):
        return f"`{text}`"
    # Code spans cannot hold every backtick and pipe; character references within <code> can, and are never markup.
    return f"<code>{''.join(c if c.isalnum() or c in ' /.' else f'&#{ord(c)};' for c in text)}</code>"


def markdown_prose(text: str) -> str:
    """A sentence in which nothing is markup, a mention or a link."""
    escaped = visible(text).translate(_PROSE)
    return escaped.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


def csv_text(text: str) -> str:
    """Text that a spreadsheet shows and does not run."""
    text = visible(text)
    return f"'{text}" if text.startswith(_FORMULA) else text

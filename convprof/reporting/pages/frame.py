"""The frame of every page: its policy, its head and list of contents, its only script, and how values are printed.

The script sorts tables. The page allows it by its hash and no other, so that a name that gets through still runs
nothing; without it the tables stay as they are.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from convprof.reporting.document import Table
from convprof.reporting.escaping import shortened, visible
from convprof.reporting.outcome import Figure

_LABELS = {
    "Run": "The run",
    "Rivals": "The plan and its rivals",
    "First": "What to convert first",
    "Model": "The model",
}

_NO_LIMITS = Table("Limits", (), ())
_PARTS = re.compile(r"(?<=[/_])(?=[^/_])|(?<=\.)(?=.*[./])")
_TEMPLATES = PackageLoader("convprof.reporting", "templates")


@dataclass(frozen=True)
class Section:
    """One entry of the page's list of contents."""

    anchor: str
    label: str


@dataclass(frozen=True)
class Script:
    """The text of the page's only script, and the source expression that allows just this text."""

    text: Markup
    source: str


@dataclass(frozen=True)
class Head:
    """The top of a page: the verdict, the figures to read from afar, what to mind.

    Where nothing was judged, `judgement` is empty and `verdict` a sentence that sums up.
    """

    title: str
    brand: str
    model: str
    worth_it: bool
    judgement: str
    verdict: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    remarks: tuple[str, ...]
    limits: Table = _NO_LIMITS


def page(template: str, **values: object) -> str:
    """The template, filled with `values`: a `head`, and whatever its sections show."""
    environment = _environment()
    return environment.get_template(template).render(script=_script(environment), **values)


def sections(*names: str) -> tuple[Section, ...]:
    """The anchor of a section is its name in small letters."""
    return tuple(Section(name.lower(), _LABELS.get(name, name)) for name in names)


def _script(environment: Environment) -> Script:
    text, *_ = _TEMPLATES.get_source(environment, "sort.js")
    digest = b64encode(sha256(text.encode()).digest()).decode()
    return Script(Markup(text), f"sha256-{digest}")


def _environment() -> Environment:
    environment = Environment(
        loader=_TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["name"] = _name
    environment.filters["shortened"] = shortened
    return environment


def _name(text: str) -> Markup:
    """A name, shortened, whose lines break behind what separates its parts: not within a word or before an ending."""
    return Markup("<wbr>").join(_PARTS.split(shortened(text)))


def _shown(value: object) -> object:
    """What any expression of a template prints: names made visible, and never a None for a number."""
    if value is None:
        raise ValueError("the template prints a value that is not known")
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

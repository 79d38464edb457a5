"""The two plain shapes that every record is turned into before it becomes text: a document and a sheet.

A `Document` is for people: strings that are already worded but not yet escaped, so that each renderer escapes for its
own medium. A `Sheet` is for programs: raw values, one row a thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Cell = str | int | float | bool | None
"""One value of a sheet; None becomes an empty cell."""


@dataclass(frozen=True)
class Column:
    """A heading and what stands under it: a `name` from a file, a `number` set to the right, or `text`."""

    heading: str
    kind: Literal["name", "number", "text"] = "number"


@dataclass(frozen=True)
class Table:
    """Rows as wide as `columns`.

    `folded` asks a medium that can fold to show the title only, `aside` one that cannot to leave the table out.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False
    aside: bool = False


@dataclass(frozen=True)
class Fact:
    """One labelled value; a verbatim one is to be copied as it is."""

    label: str
    value: str
    verbatim: bool = False


@dataclass(frozen=True)
class Document:
    """What a person reads from top to bottom: title, lead, facts, tables, notes."""

    title: str
    lead: str = ""
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """What a program reads: column names and rows of raw values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def folded(table: Table) -> Table:
    """The same table, its rows shown on request."""
    return replace(table, folded=True)


def filled(tables: Sequence[Table]) -> tuple[Table, ...]:
    """The tables that have rows: an empty one says nothing."""
    return tuple(table for table in tables if table.rows)

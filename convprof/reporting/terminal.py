"""A document as text for a terminal: escape codes only for colour, and only when asked for."""

from __future__ import annotations

from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from convprof.reporting import document
from convprof.reporting.document import Document
from convprof.reporting.escaping import shortened, visible

_NARROWEST = 16
_GAP = 2  # one of padding, one where the box has its lines


def render(what: Document, *, color: bool, width: int) -> str:
    """`what` in `width` columns, or in as many as its numbers need: a number is never cut off."""
    stream = StringIO()
    tables = [table for table in what.tables if not table.aside]
    console = Console(
        file=stream,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        width=max([width, *(_needed(table) for table in tables)]),
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    console.print(Text(visible(what.title), style="bold"))
    if what.lead:
        console.print(Text(visible(what.lead)))
    for fact in what.facts:
        console.print(Text.assemble((f"{visible(fact.label)}: ", "dim"), visible(fact.value)))
    for table in tables:
        console.print()
        console.print(Text(visible(table.title), style="bold"))
        console.print(_rich(table))
    if what.notes:
        console.print()
    for note in what.notes:
        console.print(Text(visible(note), style="dim"))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _rich(table: document.Table) -> RichTable:
    """The table with all cells as Text, so that no cell is read as rich's markup."""
    built = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in table.columns:
        number = column.kind == "number"
        built.add_column(
            Text(visible(column.heading)),
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",
            style="cyan" if column.kind == "name" else "",
        )
    for row in table.rows:
        built.add_row(
            *(
                Text(shortened(cell) if column.kind == "name" else visible(cell))
                for column, cell in zip(table.columns, row, strict=True)
            )
        )
    return built


def _needed(table: document.Table) -> int:
    """Columns that the table takes when its names and texts are folded and its numbers are not."""
    total = -_GAP
    for at, column in enumerate(table.columns):
        widest = max(len(visible(cell)) for cell in (column.heading, *(row[at] for row in table.rows)))
        total += _GAP + (widest if column.kind == "number" else min(widest, _NARROWEST))
    return total

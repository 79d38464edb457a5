"""A document as GitHub's markdown, fit for a pull request: tables, and the long ones folded."""

from __future__ import annotations

from convprof.reporting.document import Column, Document, Fact, Table
from convprof.reporting.escaping import markdown_code, markdown_name, markdown_prose

_RULES = {"name": "---", "text": "---", "number": "---:"}


def render(what: Document) -> str:
    """`what` as markdown with a newline at its end."""
    blocks = [f"## {markdown_prose(what.title)}"]
    if what.lead:
        blocks.append(f"> {markdown_prose(what.lead)}")
    if what.facts:
        blocks.append("\n".join(_fact(fact) for fact in what.facts))
    blocks += [_block(table) for table in what.tables]
    if what.notes:
        blocks.append("\n".join(f"- {markdown_prose(note)}" for note in what.notes))
    return "\n\n".join(blocks) + "\n"


def _fact(fact: Fact) -> str:
    value = markdown_code(fact.value) if fact.verbatim else markdown_prose(fact.value)
    return f"- **{markdown_prose(fact.label)}**: {value}"


def _block(table: Table) -> str:
    """A table under its title; a folded one as <details>, which needs the blank lines to be read as markdown."""
    title, lines = markdown_prose(table.title), "\n".join(_lines(table))
    if table.folded:
        return f"<details>\n<summary>{title}</summary>\n\n{lines}\n\n</details>"
    return f"**{title}**\n\n{lines}" if title else lines


def _lines(table: Table) -> list[str]:
    """Heading, rule and rows."""
    return [
        _row([markdown_prose(column.heading) for column in table.columns]),
        _row([_RULES[column.kind] for column in table.columns]),
        *(_row([_cell(column, cell) for column, cell in zip(table.columns, row, strict=True)]) for row in table.rows),
    ]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(column: Column, cell: str) -> str:
    return markdown_name(cell) if column.kind == "name" else markdown_prose(cell)

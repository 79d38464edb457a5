"""A sheet as CSV that pandas reads back and that a spreadsheet does not run (see `escaping`)."""

from __future__ import annotations

import csv
from io import StringIO

from convprof.reporting.document import Cell, Sheet
from convprof.reporting.escaping import csv_text


def render(sheet: Sheet) -> str:
    """Column names, then rows; lines end with a newline."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(sheet.columns)
    writer.writerows([_cell(value) for value in row] for row in sheet.rows)
    return stream.getvalue()


def _cell(value: Cell) -> Cell:
    """Numbers are our own and stay; text comes out of files."""
    return csv_text(value) if isinstance(value, str) else value

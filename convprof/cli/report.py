"""convprof report: print the report of a run again, in another format."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import page_options

_EXAMPLES = """\b
Examples:
  convprof report run                                (a summary for the terminal)
  convprof report run --format markdown              (for a pull request)
  convprof report run --format html -o report.html
"""


@click.command("report", epilog=_EXAMPLES)
@click.argument("run_dir", type=click.Path())
@page_options
def command(run_dir: str, output_format: str, output: str | None) -> None:
    """Print the report of the run in RUN_DIR, or of the plan where it holds no run."""
    import convprof

    console.deliver(lambda color, width: convprof.report(run_dir, output_format, color=color, width=width), output)

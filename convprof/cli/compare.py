"""convprof compare: what changed from one run to another."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import output_options

_EXAMPLES = """\b
Examples:
  convprof compare runs/monday runs/tuesday
  convprof compare main/report.json branch/report.json --format markdown   (for a pull request)
  convprof compare before after --format json -o changes.json

A run is the folder that `convprof optimize` wrote, or its report.json.
"""


@click.command("compare", epilog=_EXAMPLES)
@click.argument("first", type=click.Path(), metavar="RUN1")
@click.argument("second", type=click.Path(), metavar="RUN2")
@output_options
def command(first: str, second: str, output_format: str, output: str | None) -> None:
    """Compare RUN1 with RUN2: verdict, speed, quality, size, plan, refusals and where the time went."""
    import convprof
    from convprof.reporting import render_comparison

    found = convprof.compare(first, second)
    console.deliver(
        lambda color, width: render_comparison(found, output_format, color=color, width=width), output, [first, second]
    )

"""convprof compare: what changed from one run to another."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import gate_options, output_options, quiet_option
from convprof.cli.reading import read_limits

_EXAMPLES = """\b
Examples:
  convprof compare runs/monday runs/tuesday
  convprof compare main/report.json branch/report.json --format markdown   (for a pull request)
  convprof compare before after --format json -o changes.json
  convprof compare main branch --fail-if-slower-than 1.0 --fail-if-drop-above 0.5

A run is the folder that `convprof optimize` wrote, or its report.json. Limits hold the model of RUN2 against that of
RUN1. Exit code 1 means: one is not kept, or it cannot be told; which of the two is in "gates" of the JSON.
"""


@click.command("compare", epilog=_EXAMPLES)
@click.argument("first", type=click.Path(), metavar="RUN1")
@click.argument("second", type=click.Path(), metavar="RUN2")
@gate_options
@output_options
@quiet_option
def command(
    first: str,
    second: str,
    slowest: float | None,
    drop: float | None,
    params: str | None,
    macs: str | None,
    output_format: str,
    output: str | None,
    quiet: bool,
) -> int:
    """Compare RUN1 with RUN2: verdict, speed, quality, size, plan, refusals and where the time went."""
    limits = read_limits(slowest, drop, params, macs)
    import convprof
    from convprof.reporting import render_comparison

    found = convprof.compare(first, second, limits=limits)
    console.deliver(
        lambda color, width: render_comparison(found, output_format, color=color, width=width), output, [first, second]
    )
    return 0 if console.held(found.gates, quiet) else 1

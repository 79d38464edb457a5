"""convprof report: print the report of a run again, in another format."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import GRAPHS, NODE_FIGURES, NODES, report_options

_EXAMPLES = """\b
Examples:
  convprof report run                                (a summary for the terminal)
  convprof report run --format markdown              (for a pull request)
  convprof report run --format html -o report.html
  convprof report run --format model-explorer --figure latency -o latency.json
  convprof report run --format model-explorer --graph converted -o macs.json
"""


@click.command("report", epilog=_EXAMPLES)
@click.argument("run_dir", type=click.Path())
@report_options
@click.option(
    "--figure",
    type=click.Choice(NODE_FIGURES),
    help=f"With --format {NODES}: what each node shows; macs by default, macs-after in the converted model.",
)
@click.option(
    "--graph",
    type=click.Choice(GRAPHS),
    help=f"With --format {NODES}: the model whose nodes it is for; the original by default.",
)
def command(run_dir: str, output_format: str, output: str | None, figure: str | None, graph: str | None) -> None:
    """Print the report of the run in RUN_DIR, or of the plan where it holds no run.

    With --format model-explorer: one figure of every convolution, to lay over the original or the converted model in
    Model Explorer.
    """
    for option, given in (("--figure", figure), ("--graph", graph)):
        if given is not None and output_format != NODES:
            raise click.UsageError(f"{option} goes with --format {NODES}.")
    import convprof

    of = graph or GRAPHS[0]
    shown = figure or ("macs" if of == GRAPHS[0] else "macs-after")
    console.deliver(
        lambda color, width: convprof.report(run_dir, output_format, color=color, width=width, figure=shown, graph=of),
        output,
    )

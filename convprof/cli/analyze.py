"""convprof analyze: what a model holds and costs, and what could be replaced."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import MODEL, page_options, quiet_option, shape_options
from convprof.cli.reading import read_dims, read_shapes

_EXAMPLES = """\b
Examples:
  convprof analyze model.onnx
  convprof analyze model.onnx --format html -o page.html
  convprof analyze model.onnx --input-shape 1,3,224,224 --format csv -o convs.csv
  convprof analyze model.onnx --dim N=8 --max-rank 2 --format json
  convprof analyze model.onnx --cross-check fvcore
"""


@click.command("analyze", epilog=_EXAMPLES)
@MODEL
@shape_options
@click.option(
    "--max-rank",
    default=4,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many ranks of each form to show; 0 leaves the weights unread.",
)
@click.option(
    "--cross-check",
    type=click.Choice(["fvcore"]),
    help="Count with another tool as well, and say where the two differ and why; needs convprof[tune].",
)
@page_options
@quiet_option
def command(
    model: str,
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    max_rank: int,
    cross_check: str | None,
    output_format: str,
    output: str | None,
    quiet: bool,
) -> None:
    """List the convolutions of MODEL with their cost and what could stand in for them."""
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    import convprof
    from convprof.reporting import render_analysis

    found = convprof.analyze(
        model,
        input_shapes=shapes,
        dims=sizes,
        max_rank=max_rank,
        cross_check=cross_check is not None,
        progress=console.reporter(quiet),
    )
    console.deliver(
        lambda color, width: render_analysis(found, output_format, color=color, width=width), output, [model]
    )

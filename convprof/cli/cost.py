"""convprof cost: the arithmetic of a separable convolution; no model needed."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import output_options
from convprof.cli.reading import read_sizes

_EXAMPLES = """\b
Examples:
  convprof cost --input 12x12x3 --kernel 5 --filters 256
  convprof cost --input 11x11x3 --kernel 3 --filters 16 --stride 2 --padding 1
  convprof cost --input 56x56x64 --kernel 3 --filters 64 --padding 1 --rank 2
"""


@click.command("cost", epilog=_EXAMPLES)
@click.option("--input", "input_shape", required=True, metavar="HxWxC", help="Height, width, channels of the input.")
@click.option("--kernel", required=True, metavar="K", help="Kernel size, as 3 or 5x3.")
@click.option("--filters", required=True, type=click.IntRange(min=1), help="Output channels.")
@click.option("--stride", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--padding", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--dilation", default=1, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--rank", "--depth-multiplier", default=1, show_default=True, type=click.IntRange(min=1), help="Filters a channel."
)
@output_options
def command(
    input_shape: str,
    kernel: str,
    filters: int,
    stride: int,
    padding: int,
    dilation: int,
    rank: int,
    output_format: str,
    output: str | None,
) -> None:
    """MACs and parameters of one convolution, dense and as depthwise + pointwise."""
    shape = read_sizes(input_shape, f"--input {input_shape!r}", "12x12x3")
    size = read_sizes(kernel, f"--kernel {kernel!r}", "3 or 5x3")
    import convprof
    from convprof.reporting import render_cost

    result = convprof.cost(shape, size, filters, stride=stride, padding=padding, dilation=dilation, rank=rank)
    console.deliver(lambda color, width: render_cost(result, output_format, color=color, width=width), output)

"""convprof probe: prices of another machine, without convprof on it."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import FORMS, MODEL, only_skip_options, quiet_option, seed_option, shape_options
from convprof.cli.reading import read_dims, read_shapes

_EXAMPLES = """\b
Examples:
  convprof probe model.onnx -o probe.zip
\b
then on the device, which needs onnxruntime and numpy alone:
  unzip probe.zip -d probe && python probe/probe.py --threads 1 -o latency.json
\b
and back here:
  convprof plan model.onnx --latency-table latency.json --target-latency 0.5 -o run
"""


@click.command("probe", epilog=_EXAMPLES)
@MODEL
@click.option("--form", "forms", multiple=True, metavar="FORM", help=f"A form to price: {FORMS}; all by default.")
@only_skip_options
@shape_options
@seed_option
@click.option("-o", "--output", required=True, type=click.Path(), metavar="FILE", help="Zip file to write.")
@quiet_option
def command(
    model: str,
    forms: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    seed: int,
    output: str,
    quiet: bool,
) -> int:
    """Pack the candidates of MODEL, with stand-ins for its weights, and the program that times them elsewhere."""
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    import convprof

    convprof.probe(model, output, forms=forms, only=only, skip=skip, input_shapes=shapes, dims=sizes, seed=seed)
    console.say(f"convprof: wrote {output}: unpack it on the device and run python probe.py -o latency.json", quiet)
    return 0

"""convprof quantize: write a model as static int8."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import (
    MODEL,
    calibration_option,
    preprocess_option,
    quiet_option,
    seed_option,
    shape_options,
)
from convprof.cli.reading import read_dims, read_shapes
from convprof.cli.running import Running, run_options

_EXAMPLES = """\b
Examples:
  convprof quantize model.onnx -o int8.onnx --calibration inputs.npz
  convprof quantize small.onnx -o small8.onnx --calibration pictures --preprocess imagenet
  convprof bench model.onnx small.onnx int8.onnx small8.onnx
  convprof verify model.onnx int8.onnx --data test.npz --labels y
"""


@click.command("quantize", epilog=_EXAMPLES)
@MODEL
@click.option("-o", "--output", required=True, type=click.Path(), metavar="OUT", help="The new model.")
@calibration_option
@preprocess_option
@shape_options
@run_options
@seed_option
@quiet_option
def command(
    model: str,
    output: str,
    calibration: str | None,
    preprocess: str | None,
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    options: Running,
    seed: int,
    quiet: bool,
) -> None:
    """Write MODEL, dense or converted, as static int8 to OUT; activations get the range that they have on the data.

    On processors with int8 instructions this alone may be the best there is; elsewhere it can be slower, and less
    exact. Measure it where you deploy.
    """
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    import convprof

    result = convprof.quantize(
        model,
        output,
        calibration=calibration,
        preprocess=preprocess,
        input_shapes=shapes,
        dims=sizes,
        options=options(),
        seed=seed,
        progress=console.reporter(quiet),
    )
    console.notices(result.notices, quiet)
    size = f"{result.bytes_after:,} bytes, {result.bytes_after / result.bytes_before:.0%} of the original"
    console.say(f"convprof: wrote {result.path} in int8 by {result.samples:,} inputs: {size}", quiet)

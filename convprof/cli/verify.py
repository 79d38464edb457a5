"""convprof verify: how close a converted model is to its original on data."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import (
    MODEL,
    output_options,
    preprocess_option,
    quiet_option,
    worse_options,
)
from convprof.cli.reading import read_limits
from convprof.cli.running import Running, run_options

_EXAMPLES = """\b
Examples:
  convprof verify model.onnx small.onnx --data inputs.npz
  convprof verify model.onnx small.onnx --data test.npz --labels y --preprocess unit
  convprof verify model.onnx small.onnx --data test.npz --labels clean --metric psnr --format json
  convprof verify model.onnx small.onnx --data test.npz --labels y --fail-if-drop-above 1.0 --fail-if-params-above 50%

\b
Exit code 1 means: compared, and a limit is not kept, or it cannot be told; which of the two is in "gates" of the JSON.
"""


@click.command("verify", epilog=_EXAMPLES)
@MODEL
@click.argument("converted", type=click.Path())
@click.option("--data", required=True, metavar="DATA", help="Inputs: .npz, .npy, picture folder, module:function.")
@click.option("--labels", metavar="NAME", help="Array of the data that holds the labels, or a .npy file.")
@click.option("--metric", help="top1, agreement, psnr or module:function; by default what fits the labels.")
@preprocess_option
@worse_options
@run_options
@output_options
@quiet_option
def command(
    model: str,
    converted: str,
    data: str,
    labels: str | None,
    metric: str | None,
    preprocess: str | None,
    drop: float | None,
    params: str | None,
    macs: str | None,
    options: Running,
    output_format: str,
    output: str | None,
    quiet: bool,
) -> int:
    """Run MODEL and CONVERTED on the same data and compare every output, and the metric if there are labels."""
    limits = read_limits(None, drop, params, macs)
    import convprof
    from convprof.reporting import render_fidelity

    fidelity = convprof.verify(
        model,
        converted,
        data,
        labels=labels,
        metric=metric,
        preprocess=preprocess,
        limits=limits,
        options=options(),
        progress=console.reporter(quiet),
    )
    console.notices(fidelity.notices, quiet)
    console.deliver(
        lambda color, width: render_fidelity(fidelity, output_format, color=color, width=width),
        output,
        [model, converted],
    )
    return 0 if console.held(fidelity.gates, quiet) else 1

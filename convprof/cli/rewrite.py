"""convprof rewrite: replace convolutions by a plan, or by one form at one rank."""

from __future__ import annotations

from typing import cast

import click

from convprof.cli import console
from convprof.cli.options import (
    FORMS,
    MODEL,
    calibration_option,
    fit_options,
    only_skip_options,
    preprocess_option,
    quiet_option,
    seed_option,
    shape_options,
)
from convprof.cli.reading import read_bytes, read_dims, read_shapes, read_sizes
from convprof.cli.running import Running, run_options

_EXAMPLES = """\b
Examples:
  convprof rewrite model.onnx -o small.onnx --plan run/plan.json --calibration inputs.npz
  convprof rewrite model.onnx -o small.onnx --form depthwise-pointwise --rank 2 --calibration inputs.npz
  convprof rewrite model.onnx -o small.onnx --form depthwise-pointwise --rank 3 --preprocess imagenet
  convprof rewrite model.onnx -o small.onnx --form spatial --rank 16 --skip stem.conv --init weights
"""


@click.command("rewrite", epilog=_EXAMPLES)
@MODEL
@click.option("-o", "--output", required=True, type=click.Path(), metavar="OUT", help="The new model.")
@click.option("--plan", type=click.Path(), metavar="FILE", help="A plan.json; it may be edited by hand.")
@click.option("--form", metavar="FORM", help=f"{FORMS}.")
@click.option("--rank", metavar="N", help="Its depth multiplier, or channels in between; 16,32 for tucker2.")
@click.option(
    "--emission",
    type=click.Choice(("auto", "sum", "concat", "multiplier")),
    help="How a rank above 1 is written; auto measures which is the fastest here.",
)
@calibration_option
@click.option(
    "--init",
    default="calibrated",
    show_default=True,
    type=click.Choice(("calibrated", "weights")),
    help="Fit the factors to inputs, or to the weights alone.",
)
@preprocess_option
@only_skip_options
@shape_options
@run_options
@seed_option
@fit_options
@quiet_option
def command(
    model: str,
    output: str,
    plan: str | None,
    form: str | None,
    rank: str | None,
    emission: str | None,
    calibration: str | None,
    init: str,
    preprocess: str | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    options: Running,
    seed: int,
    memory: str,
    resume: bool,
    quiet: bool,
) -> None:
    """Write MODEL with convolutions replaced to OUT; MODEL itself is never touched."""
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    held = read_bytes(memory, f"--memory {memory!r}")
    ranks = read_sizes(rank, f"--rank {rank!r}", "2") if rank is not None else ()
    import convprof
    from convprof.records.plan import EmissionOption

    result = convprof.rewrite(
        model,
        output,
        plan=plan,
        form=form,
        rank=ranks,
        emission=cast("EmissionOption | None", emission),
        only=only,
        skip=skip,
        calibration=calibration,
        preprocess=preprocess,
        init=init,
        input_shapes=shapes,
        dims=sizes,
        options=options(),
        seed=seed,
        memory=held,
        resume=resume,
        progress=console.reporter(quiet),
    )
    console.notices(result.notices, quiet)
    refitted = sum(layer.stays_dense for layer in result.plan.layers)
    count = len(result.plan.layers) - refitted
    others = f", {refitted} kept dense, refitted" if refitted else ""
    done = f"{count} convolution{'s' if count != 1 else ''} replaced{others}"
    console.say(f"convprof: wrote {result.path} with {done}", quiet)

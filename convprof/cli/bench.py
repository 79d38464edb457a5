"""convprof bench: time models against each other."""

from __future__ import annotations

import click

from convprof.cli import console
from convprof.cli.options import (
    MODEL,
    number,
    output_options,
    quiet_option,
    read_dims,
    read_shapes,
    run_options,
    seed_option,
    shape_options,
)

_EXAMPLES = """\b
Examples:
  convprof bench model.onnx small.onnx
  convprof bench model.onnx small.onnx --threads 2 --duration 10 --format json
  convprof bench model.onnx model.onnx        (the noise floor: a model against itself)
"""


@click.command("bench", epilog=_EXAMPLES)
@MODEL
@click.argument("others", nargs=-1, type=click.Path())
@shape_options
@run_options
@click.option("--warmup", default=5, show_default=True, type=click.IntRange(min=0), help="Runs before the clock.")
@click.option("--iterations", default=100, show_default=True, type=click.IntRange(min=1), help="Rounds to measure.")
@click.option(
    "--duration",
    callback=number,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to measure, instead of rounds.",
)
@seed_option
@output_options
@quiet_option
def command(
    model: str,
    others: tuple[str, ...],
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    threads: int,
    providers: tuple[str, ...],
    warmup: int,
    iterations: int,
    duration: float | None,
    seed: int,
    output_format: str,
    output: str | None,
    quiet: bool,
) -> None:
    """Time MODEL and OTHERS interleaved in one process, and compare MODEL with each of the others."""
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    import convprof
    from convprof.reporting import render_benchmark
    from convprof.runtime import RunOptions

    benchmark = convprof.bench(
        [model, *others],
        input_shapes=shapes,
        dims=sizes,
        warmup=warmup,
        iterations=None if duration is not None else iterations,
        duration=duration,
        options=RunOptions(threads, providers),
        seed=seed,
        progress=console.reporter(quiet),
    )
    console.deliver(
        lambda color, width: render_benchmark(benchmark, output_format, color=color, width=width),
        output,
        [model, *others],
    )

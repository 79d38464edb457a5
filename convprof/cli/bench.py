"""convprof bench: time models against each other."""

from __future__ import annotations

import shlex
import sys

import click

from convprof.cli import console
from convprof.cli.options import (
    MODEL,
    number,
    page_options,
    quiet_option,
    seed_option,
    shape_options,
    slower_option,
)
from convprof.cli.reading import read_batches, read_dims, read_limits, read_shapes, read_share
from convprof.cli.running import Running, run_options

_EXAMPLES = """\b
Examples:
  convprof bench model.onnx small.onnx
  convprof bench model.onnx small.onnx --threads 2 --duration 10 --format json
  convprof bench model.onnx small.onnx --batch 1,8,32
  convprof bench model.onnx small.onnx --session-option session.intra_op.allow_spinning=0
  convprof bench model.onnx small.onnx --processes 5 --interval-width 2%
  convprof bench before.onnx after.onnx --fail-if-slower-than 1.0

\b
Exit code 1 means: measured, and a model is slower than --fail-if-slower-than allows, or it cannot be told; which of
the two is in "gates" of the JSON.
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
@click.option(
    "--interval-width",
    "width",
    metavar="SHARE",
    help="Measure until the interval of every ratio is narrower, as 2%; for --duration at most, or 60 seconds.",
)
@click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Fresh processes that each measure all of that; intervals then hold what differs between processes. "
    "Tells the peak memory of each model as well.",
)
@click.option(
    "--floor/--no-floor", default=True, show_default=True, help="Also time MODEL against itself: the noise floor."
)
@slower_option
@click.option(
    "--batch",
    "batches",
    multiple=True,
    metavar="SIZES",
    help="Also measure throughput at these batch sizes, each for as long as all the rest, as 1,8,32.",
)
@seed_option
@page_options
@quiet_option
def command(
    model: str,
    others: tuple[str, ...],
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    options: Running,
    warmup: int,
    iterations: int,
    duration: float | None,
    width: str | None,
    processes: int,
    floor: bool,
    slowest: float | None,
    batches: tuple[str, ...],
    seed: int,
    output_format: str,
    output: str | None,
    quiet: bool,
) -> int:
    """Time MODEL and OTHERS interleaved, and compare MODEL with each of the others."""
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    samples, limits = read_batches(batches), read_limits(slowest, None, None, None)
    narrow = None if width is None else read_share(width, "--interval-width")
    import convprof
    from convprof.reporting import render_benchmark

    benchmark = convprof.bench(
        [model, *others],
        input_shapes=shapes,
        dims=sizes,
        warmup=warmup,
        iterations=None if duration is not None else iterations,
        duration=duration,
        interval_width=narrow,
        processes=processes,
        floor=floor,
        limits=limits,
        batches=samples,
        options=options(),
        seed=seed,
        command=shlex.join(["convprof", *sys.argv[1:]]),
        progress=console.reporter(quiet),
    )
    console.deliver(
        lambda color, width: render_benchmark(benchmark, output_format, color=color, width=width),
        output,
        [model, *others],
    )
    return 0 if console.held(benchmark.gates, quiet) else 1

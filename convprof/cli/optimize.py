"""convprof optimize: the whole way from a model to a cheaper one with its report."""

from __future__ import annotations

import shlex
import sys

import click

from convprof.cli import console
from convprof.cli.options import (
    FORMS,
    MODEL,
    calibration_option,
    fit_options,
    number,
    only_skip_options,
    preprocess_option,
    quiet_option,
    read_bytes,
    read_dims,
    read_shapes,
    run_options,
    seed_option,
    shape_options,
)

_EXAMPLES = """\b
Examples:
  convprof optimize model.onnx --calibration inputs.npz -o run
  convprof optimize model.onnx --calibration pictures/ --preprocess imagenet,size=224 --target-macs 0.4 -o run
  convprof optimize model.onnx --calibration calib.npz --eval test.npz --labels y --preprocess unit -o run
\b
Exit code 1 means: done, and the result is not worth having; the report says why.
"""


@click.command("optimize", epilog=_EXAMPLES)
@MODEL
@calibration_option
@click.option("--eval", "evaluation", metavar="DATA", help="Inputs to judge the result on.")
@click.option("--labels", metavar="NAME", help="Array of the --eval data that holds the labels, or a .npy file.")
@click.option("--metric", help="top1, agreement, psnr or module:function; by default what fits the labels.")
@preprocess_option
@click.option(
    "--target-macs",
    default=0.5,
    show_default=True,
    callback=number,
    type=click.FloatRange(min=0, max=1, min_open=True),
    help="Budget: a share of the model's MACs.",
)
@click.option(
    "--form",
    "forms",
    multiple=True,
    default=("depthwise-pointwise",),
    show_default=True,
    help=f"A form that may be used: {FORMS}; repeatable.",
)
@only_skip_options
@shape_options
@click.option(
    "--iterations", default=200, show_default=True, type=click.IntRange(min=1), help="Rounds of the benchmark."
)
@run_options
@seed_option
@fit_options
@click.option("-o", "--output", required=True, type=click.Path(), metavar="RUN_DIR", help="Where to leave the result.")
@quiet_option
def command(
    model: str,
    calibration: str | None,
    evaluation: str | None,
    labels: str | None,
    metric: str | None,
    preprocess: str | None,
    target_macs: float,
    forms: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    iterations: int,
    threads: int,
    providers: tuple[str, ...],
    seed: int,
    memory: str,
    resume: bool,
    output: str,
    quiet: bool,
) -> int:
    """Make MODEL cheaper: plan within the budget, fit, rewrite, verify, bench, and leave a report in RUN_DIR."""
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    held = read_bytes(memory, f"--memory {memory!r}")
    import convprof
    from convprof.reporting import render_run
    from convprof.runtime import RunOptions

    run = convprof.optimize(
        model,
        output,
        calibration=calibration,
        evaluation=evaluation,
        labels=labels,
        metric=metric,
        preprocess=preprocess,
        target_macs=target_macs,
        forms=forms,
        only=only,
        skip=skip,
        input_shapes=shapes,
        dims=sizes,
        iterations=iterations,
        options=RunOptions(threads, providers),
        seed=seed,
        memory=held,
        resume=resume,
        command=shlex.join(["convprof", *sys.argv[1:]]),
        progress=console.reporter(quiet),
    )
    console.notices(run.notices, quiet)
    console.deliver(lambda color, width: render_run(run, "table", color=color, width=width), None)
    console.say(f"convprof: wrote {output}/model.onnx, plan.json, report.json and report.html", quiet)
    return 0 if run.verdict.worth_it else 1

"""convprof plan: what becomes of each convolution, chosen by measured time."""

from __future__ import annotations

import shlex
import sys

import click

from convprof.cli import console
from convprof.cli.options import (
    FORMATS,
    MODEL,
    budget_options,
    calibration_option,
    choice_options,
    judging_options,
    only_skip_options,
    preprocess_option,
    quiet_option,
    seed_option,
    shape_options,
)
from convprof.cli.reading import read_budget, read_bytes, read_dims, read_shapes
from convprof.cli.running import Running, run_options

_EXAMPLES = """\b
Examples:
  convprof plan model.onnx --calibration inputs.npz --target-latency 0.5 -o run
  convprof plan model.onnx --calibration inputs.npz --target-latency 12ms --target-params 0.3 -o run
  convprof plan model.onnx --calibration calib.npz --eval test.npz --labels y --max-drop 1 -o run
  convprof plan model.onnx --calibration inputs.npz --sweep -o run
  convprof plan model.onnx --calibration inputs.npz --from edited.json -o run
  convprof rewrite model.onnx -o small.onnx --plan run/plan.json --calibration inputs.npz
\b
RUN_DIR keeps the prices and the damages: another budget takes seconds.
Exit code 1 means: no plan is worth carrying out; the table says why.
"""


@click.command("plan", epilog=_EXAMPLES)
@MODEL
@calibration_option
@judging_options
@preprocess_option
@budget_options
@click.option("--from", "edited", type=click.Path(), metavar="FILE", help="Price this plan instead of choosing one.")
@choice_options
@only_skip_options
@shape_options
@run_options
@seed_option
@click.option(
    "--memory",
    default="4GiB",
    show_default=True,
    metavar="SIZE",
    help="Activations to hold in memory, as 512MiB or 2GB; what is more lies on disk in RUN_DIR.",
)
@click.option(
    "--format", "output_format", default="table", show_default=True, type=click.Choice(FORMATS), help="Output format."
)
@click.option("-o", "--output", required=True, type=click.Path(), metavar="RUN_DIR", help="Where to leave the plan.")
@quiet_option
def command(
    model: str,
    calibration: str | None,
    evaluation: str | None,
    labels: str | None,
    metric: str | None,
    preprocess: str | None,
    target_latency: str | None,
    target_macs: float | None,
    target_params: float | None,
    max_drop: float | None,
    min_sqnr: float | None,
    edited: str | None,
    forms: tuple[str, ...],
    latency_table: str | None,
    sweep: bool,
    measure: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    options: Running,
    seed: int,
    memory: str,
    output_format: str,
    output: str,
    quiet: bool,
) -> int:
    """Choose what becomes of each convolution of MODEL within a budget, by times measured in place.

    Without a target it searches for the fastest plan that loses no more than the verdict allows.
    """
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    held = read_bytes(memory, f"--memory {memory!r}")
    budget = read_budget(target_latency, target_macs, target_params, max_drop, min_sqnr)
    import convprof
    from convprof.reporting import render_planning

    found = convprof.plan(
        model,
        output,
        calibration=calibration,
        evaluation=evaluation,
        labels=labels,
        metric=metric,
        preprocess=preprocess,
        budget=budget,
        edited=edited,
        forms=forms,
        latency_table=latency_table,
        sweep=sweep,
        measure=measure,
        only=only,
        skip=skip,
        input_shapes=shapes,
        dims=sizes,
        options=options(),
        seed=seed,
        memory=held,
        command=shlex.join(["convprof", *sys.argv[1:]]),
        progress=console.reporter(quiet),
    )
    console.notices(found.notices, quiet)
    console.deliver(lambda color, width: render_planning(found, output_format, color=color, width=width), None)
    console.say(f"convprof: wrote {output}/plan.json, planning.json and plan.html", quiet)
    return 0 if found.worth_it else 1

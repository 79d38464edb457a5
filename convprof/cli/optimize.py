"""convprof optimize: the whole way from a model to a cheaper one with its report."""

from __future__ import annotations

import shlex
import sys

import click

from convprof.cli import console
from convprof.cli.options import (
    MODEL,
    budget_options,
    calibration_option,
    choice_options,
    fit_options,
    gate_options,
    judging_options,
    only_skip_options,
    preprocess_option,
    quiet_option,
    seed_option,
    shape_options,
)
from convprof.cli.reading import read_budget, read_bytes, read_dims, read_limits, read_names, read_seconds, read_shapes
from convprof.cli.running import Running, run_options
from convprof.errors import UsageError
from convprof.records.tuning import Settings

_EXAMPLES = """\b
Examples:
  convprof optimize model.onnx --calibration inputs.npz -o run
  convprof optimize model.onnx --calibration pictures/ --preprocess imagenet,size=224 --target-latency 0.4 -o run
  convprof optimize model.onnx --calibration calib.npz --eval test.npz --labels y --max-drop 0.5 -o run
  convprof optimize model.onnx --calibration train.npz --eval test.npz --labels y --tune --time-budget 1h -o run
  convprof optimize model.onnx --calibration train.npz --eval test.npz --labels y --tune --recipe finetune -o run
  convprof optimize model.onnx --calibration calib.npz --fail-if-slower-than 1.5 --fail-if-drop-above 1.0 -o run
\b
Exit code 1 means: done, and the result is not worth having; the report says why. With --fail-if options these alone
decide: 1 means that the result breaks one, or cannot be seen to keep it; which of the two is in "gates" of report.json.
"""


@click.command("optimize", epilog=_EXAMPLES)
@MODEL
@calibration_option
@judging_options
@preprocess_option
@budget_options
@gate_options
@choice_options
@only_skip_options
@shape_options
@click.option(
    "--iterations", default=200, show_default=True, type=click.IntRange(min=1), help="Rounds of the benchmark."
)
@run_options
@seed_option
@fit_options
@click.option(
    "--tune",
    is_flag=True,
    help="Train the result to answer as MODEL does, on the calibration data: pip install 'convprof[tune]'.",
)
@click.option(
    "--recipe",
    metavar="METHODS",
    help="How to train: reconstruct, distill (to answer as MODEL does), finetune (by labels), with commas; by default "
    "distill, of few inputs reconstruct before it.",
)
@click.option("--time-budget", metavar="TIME", help="How long to train, as 90s, 20m or 1.5h.  [default: 20m]")
@click.option("-o", "--output", required=True, type=click.Path(), metavar="RUN_DIR", help="Where to leave the result.")
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
    slowest: float | None,
    drop: float | None,
    params: str | None,
    macs: str | None,
    forms: tuple[str, ...],
    latency_table: str | None,
    sweep: bool,
    measure: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    input_shapes: tuple[str, ...],
    dims: tuple[str, ...],
    iterations: int,
    options: Running,
    seed: int,
    memory: str,
    resume: bool,
    tune: bool,
    recipe: str | None,
    time_budget: str | None,
    output: str,
    quiet: bool,
) -> int:
    """Make MODEL cheaper: price, plan, fit, rewrite, verify, bench, and leave a report in RUN_DIR.

    Without a target it searches for the fastest result that loses no more than the verdict allows.
    """
    shapes, sizes = read_shapes(input_shapes), read_dims(dims)
    held = read_bytes(memory, f"--memory {memory!r}")
    budget = read_budget(target_latency, target_macs, target_params, max_drop, min_sqnr)
    limits = read_limits(slowest, drop, params, macs)
    training = _training(recipe, time_budget, seed) if tune else None
    for name, value in (("--time-budget", time_budget), ("--recipe", recipe)):
        if value is not None and not tune:
            raise UsageError(name, "it is about training", "give --tune too")
    import convprof
    from convprof.reporting import render_run

    run = convprof.optimize(
        model,
        output,
        calibration=calibration,
        evaluation=evaluation,
        labels=labels,
        metric=metric,
        preprocess=preprocess,
        budget=budget,
        limits=limits,
        forms=forms,
        latency_table=latency_table,
        sweep=sweep,
        measure=measure,
        only=only,
        skip=skip,
        input_shapes=shapes,
        dims=sizes,
        iterations=iterations,
        options=options(),
        seed=seed,
        memory=held,
        resume=resume,
        tune=training,
        command=shlex.join(["convprof", *sys.argv[1:]]),
        progress=console.reporter(quiet),
    )
    console.notices(run.notices, quiet)
    console.deliver(lambda color, width: render_run(run, "table", color=color, width=width), None)
    console.say(f"convprof: wrote {output}/model.onnx, plan.json, report.json and report.html", quiet)
    kept = console.held(run.gates, quiet) if run.gates else run.verdict.worth_it
    return 0 if kept else 1


def _training(recipe: str | None, time_budget: str | None, seed: int) -> Settings:
    return Settings(
        recipe=read_names(recipe),
        seconds=read_seconds(time_budget or "20m", "--time-budget"),
        seed=seed,
    )

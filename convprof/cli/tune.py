"""convprof tune: train a converted model to answer as its original does."""

from __future__ import annotations

from typing import Literal, cast

import click

from convprof import processes
from convprof.cli import console
from convprof.cli.options import (
    MODEL,
    format_option,
    number,
    preprocess_option,
    quiet_option,
    seed_option,
)
from convprof.cli.reading import read_names, read_seconds
from convprof.records.tuning import Settings

DEFAULTS = Settings()

_EXAMPLES = """\b
Examples:
  convprof tune small.onnx --teacher model.onnx --calibration pictures.npz --preprocess imagenet
  convprof tune small.onnx --teacher model.onnx --calibration train.npz --time-budget 1h --threads 2 -o better.onnx
  convprof tune small.onnx --teacher model.onnx --calibration train.npz --labels y --recipe distill,finetune
  torchrun --nproc-per-node 2 -m convprof tune small.onnx --teacher model.onnx --calibration train.npz
"""


@click.command("tune", epilog=_EXAMPLES)
@MODEL
@click.option("--teacher", type=click.Path(), metavar="ORIGINAL", help="The model to answer like.")
@click.option(
    "--calibration", required=True, metavar="DATA", help="Inputs: .npz, .npy, picture folder, module:function."
)
@click.option("--labels", metavar="NAME", help="Array of the data that holds the labels, or a .npy file.")
@preprocess_option
@click.option("-o", "--output", type=click.Path(), metavar="OUT", help="The new model; MODEL.tuned.onnx by default.")
@click.option(
    "--recipe",
    metavar="METHODS",
    help="bias, reconstruct, distill (all to answer as ORIGINAL does) and finetune (as labels say), with commas; by "
    "default distill, of few inputs reconstruct before it.",
)
@click.option("--time-budget", default="20m", show_default=True, metavar="TIME", help="As 90s, 20m or 1.5h.")
@click.option(
    "--epochs",
    type=click.FloatRange(0, 1e6, min_open=True),
    callback=number,
    help="Passes over the data for each method, instead of a time.",
)
@click.option(
    "--train",
    default=DEFAULTS.train,
    show_default=True,
    type=click.Choice(("factors", "all")),
    help="Change the factors only, or all weights and the statistics of normalisations.",
)
@click.option(
    "--augment",
    metavar="NAMES",
    help="Change pictures by flip, crop, turn, jitter or none; by default as the model and the data allow.",
)
@click.option(
    "--batch", default=DEFAULTS.batch, show_default=True, type=click.IntRange(1, 1 << 20), help="Samples a step."
)
@click.option(
    "--optimiser",
    default=DEFAULTS.optimiser,
    show_default=True,
    type=click.Choice(("muon", "adamw")),
    help="How gradients become steps.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1e6, min_open=True),
    callback=number,
    help="At its peak: for muon a share of a weight's norm, for adamw absolute; by default what suits it.",
)
@click.option(
    "--loss",
    metavar="NAME",
    help="kl or relative-l2 to ORIGINAL; to labels cross-entropy, mse, l1, smooth-l1, bce or module:function.",
)
@click.option(
    "--temperature",
    default=DEFAULTS.temperature,
    show_default=True,
    type=click.FloatRange(0, 1e6, min_open=True),
    callback=number,
    help="Softens the class scores that are compared.",
)
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads to train with; all processors by default.")
@seed_option
@click.option("--resume", is_flag=True, help="Go on with a run that was cut short.")
@format_option
@quiet_option
def command(
    model: str,
    teacher: str | None,
    calibration: str,
    labels: str | None,
    preprocess: str | None,
    output: str | None,
    recipe: str | None,
    time_budget: str,
    epochs: float | None,
    train: str,
    augment: str | None,
    batch: int,
    optimiser: str,
    learning_rate: float | None,
    loss: str | None,
    temperature: float,
    threads: int | None,
    seed: int,
    resume: bool,
    output_format: str,
    quiet: bool,
) -> None:
    """Train MODEL, a converted one, to answer as ORIGINAL does, and keep what does best on inputs that are held out.

    Needs no labels, and torch: pip install 'convprof[tune]'. What is held out is a twentieth of the inputs; the result
    is never worse on it than MODEL. Under torchrun all processes train together, a batch being that of all of them.
    """
    first = processes.rank() == 0
    quiet = quiet or not first
    settings = Settings(
        recipe=read_names(recipe),
        train=cast("Literal['factors', 'all']", train),
        augment=() if augment == "none" else read_names(augment),
        seconds=read_seconds(time_budget, "--time-budget"),
        epochs=epochs,
        batch=batch,
        optimiser=cast("Literal['muon', 'adamw']", optimiser),
        learning_rate=learning_rate,
        loss=loss,
        temperature=temperature,
        seed=seed,
        threads=threads,
    )
    import convprof
    from convprof.reporting import render_tuning

    record = convprof.tune(
        model,
        output,
        teacher=teacher,
        calibration=calibration,
        labels=labels,
        preprocess=preprocess,
        settings=settings,
        resume=resume,
        progress=console.reporter(quiet),
    )
    if not first:
        return
    console.notices(record.notices, quiet)
    console.deliver(lambda color, width: render_tuning(record, output_format, color=color, width=width), None)
    console.say(f"convprof: wrote {record.path}", quiet)

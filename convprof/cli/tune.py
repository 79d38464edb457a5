"""convprof tune: train a converted model to answer as its original does."""

from __future__ import annotations

import re

import click

from convprof.cli import console
from convprof.cli.options import MODEL, preprocess_option, quiet_option, seed_option
from convprof.errors import UsageError

_EXAMPLES = """\b
Examples:
  convprof tune small.onnx --teacher model.onnx --calibration pictures.npz --preprocess imagenet
  convprof tune small.onnx --teacher model.onnx --calibration train.npz --time-budget 1h --threads 2 -o better.onnx
  convprof tune small.onnx --teacher model.onnx --calibration train.npz --labels y --recipe distill,finetune
"""


@click.command("tune", epilog=_EXAMPLES)
@MODEL
@click.option("--teacher", type=click.Path(), metavar="ORIGINAL", help="The model to answer like.")
@click.option("--calibration", required=True, metavar="DATA", help="Inputs to train on; labels are not needed.")
@click.option("--labels", metavar="NAME", help="Array of the data that holds the labels, or a .npy file.")
@click.option("-o", "--output", type=click.Path(), metavar="OUT", help="The new model; by default MODEL.tuned.onnx.")
@click.option("--recipe", default="distill", show_default=True, metavar="METHODS", help="Methods, one after another.")
@click.option(
    "--train", default="all", show_default=True, type=click.Choice(("factors", "all")), help="Which weights change."
)
@click.option("--time-budget", default="20m", show_default=True, metavar="TIME", help="As 90s, 20m or 1.5h.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Passes over the data, instead of a time.")
@click.option("--augment", metavar="NAMES", help="How pictures are changed: flip, crop, turn, jitter or none.")
@click.option("--batch", default=128, show_default=True, type=click.IntRange(min=1), help="Samples a step.")
@click.option("--learning-rate", default=1.5e-3, show_default=True, type=click.FloatRange(min=0, min_open=True))
@click.option("--loss", metavar="NAME", help="kl or relative-l2 to the teacher; for labels cross-entropy, mse, ...")
@click.option("--temperature", default=2.0, show_default=True, type=click.FloatRange(min=0, min_open=True))
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 1024), help="Threads to train with.")
@click.option("--resume", is_flag=True, help="Go on with a run that was cut short.")
@preprocess_option
@seed_option
@quiet_option
def command(
    model: str,
    teacher: str | None,
    calibration: str,
    labels: str | None,
    output: str | None,
    recipe: str,
    train: str,
    time_budget: str,
    epochs: float | None,
    augment: str | None,
    batch: int,
    learning_rate: float,
    loss: str | None,
    temperature: float,
    threads: int,
    resume: bool,
    preprocess: str | None,
    seed: int,
    quiet: bool,
) -> None:
    """Train MODEL, a converted one, to answer as ORIGINAL does, and keep what does best on data that is held out."""
    seconds = _seconds(time_budget)
    import convprof

    record = convprof.tune(
        model,
        output,
        teacher=teacher,
        calibration=calibration,
        labels=labels,
        preprocess=preprocess,
        recipe=recipe.split(","),
        train="factors" if train == "factors" else "all",
        augment=None if augment is None else [name for name in augment.split(",") if name != "none"],
        seconds=seconds,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        loss=loss,
        temperature=temperature,
        seed=seed,
        threads=threads,
        resume=resume,
        progress=console.reporter(quiet),
    )
    console.notices(record.notices, quiet)
    for stage in record.stages:
        change = f"{stage.measure} {stage.before:.4g} -> {stage.after:.4g} on {stage.held_out:,} held out"
        console.say(f"convprof: {stage.method}: {change}, {stage.steps:,} steps in {stage.minutes:.1f} min", quiet)
    console.say(f"convprof: wrote {record.path}", quiet)


def _seconds(text: str) -> float:
    """From 90s, 20m or 1.5h; raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?(s|m|min|h)", text.strip().lower(), re.ASCII)
    seconds = float(found[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"--time-budget {text!r}", "it is no time above 0", "write 90s, 20m or 1.5h")
    return seconds

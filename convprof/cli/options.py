"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "json", "csv", "markdown")
PAGE_FORMATS = ("table", "html", "markdown", "json", "csv")
NODES = "model-explorer"
GRAPHS = ("original", "converted")
NODE_FIGURES = ("macs", "macs-after", "latency", "latency-after", "error", "model-error")
FORMS = "depthwise-pointwise, pointwise-depthwise, pointwise-depthwise-pointwise, spatial, channel or tucker2"
"""Read by people; tests hold it against the table of forms, whose import would cost every start."""
MODEL = click.argument("model", type=click.Path())


def number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN, which click's ranges let pass."""
    if value is not None and value != value:
        raise click.BadParameter("it is not a number.", context, parameter)
    return value


_SHARE = click.FloatRange(min=0, max=1, min_open=True)
_SHAPES = (
    click.option(
        "--input-shape",
        "input_shapes",
        multiple=True,
        metavar="[NAME:]SIZES",
        help="Shape of an input, as x:1,3,224,224 or x:1x3x224x224; the name may be left out for a single input.",
    ),
    click.option("--dim", "dims", multiple=True, metavar="NAME=SIZE", help="Size of a symbolic dimension, as N=1."),
)
_FILE = click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Write to FILE instead of the terminal.")
_ONLY_SKIP = (
    click.option("--only", multiple=True, metavar="NAME", help="Convert this layer and no others; repeatable."),
    click.option("--skip", multiple=True, metavar="NAME", help="Leave this layer as it is; repeatable."),
)
_BUDGET = (
    click.option(
        "--target-latency",
        metavar="TIME",
        help="Most time an inference may take: a share of the model's, as 0.5 or 50%, or milliseconds, as 12ms.",
    ),
    click.option("--target-macs", type=_SHARE, callback=number, help="Most MACs: a share of the model's."),
    click.option("--target-params", type=_SHARE, callback=number, help="Most parameters: a share of the model's."),
    click.option(
        "--max-drop",
        type=click.FloatRange(min=0),
        callback=number,
        help="The fastest plan that loses no more of the metric: points of top1 or agreement, dB of psnr.",
    ),
    click.option(
        "--min-sqnr",
        type=float,
        callback=number,
        help="The fastest plan whose outputs stand so many dB above their error.",
    ),
)
_CHOICE = (
    click.option(
        "--form",
        "forms",
        multiple=True,
        metavar="FORM",
        help=f"A form that may be used: {FORMS}; repeatable; all of them by default.",
    ),
    click.option(
        "--latency-table",
        type=click.Path(),
        metavar="FILE",
        help="Prices of another machine, as `convprof probe` has them measured there.",
    ),
    click.option("--sweep", is_flag=True, help="Also eight plans from gentle to harsh."),
    click.option("--measure", is_flag=True, help="With --sweep: fit, time and compare every one of them."),
)
_JUDGING = (
    click.option("--eval", "evaluation", metavar="DATA", help="Inputs to judge the result on."),
    click.option("--labels", metavar="NAME", help="Array of the --eval data that holds the labels, or a .npy file."),
    click.option("--metric", help="top1, agreement, psnr or module:function; by default what fits the labels."),
)
_FAIL_IF_SLOWER = click.option(
    "--fail-if-slower-than",
    "slowest",
    metavar="SPEEDUP",
    callback=number,
    type=click.FloatRange(min=0, min_open=True),
    help="Exit with 1 unless every model is known to be that many times as fast as the first, as 1.0.",
)
_FAIL_IF_WORSE = (
    click.option(
        "--fail-if-drop-above",
        "drop",
        metavar="POINTS",
        callback=number,
        type=click.FloatRange(min=0),
        help="Exit with 1 unless the loss of the metric is known to be no more: points of top1 or agreement, dB of "
        "psnr; without labels points of agreement with the original, or % of relative error.",
    ),
    click.option(
        "--fail-if-params-above",
        "params",
        metavar="LIMIT",
        help="Exit with 1 if it has more parameters: a share of the original's, as 0.5 or 50%, or a number, as 1.2M.",
    ),
    click.option(
        "--fail-if-macs-above", "macs", metavar="LIMIT", help="Exit with 1 if it has more MACs: the same, as 40% or 3G."
    ),
)
_QUIET = (click.option("-q", "--quiet", is_flag=True, help="No progress and no notices."),)
_SEED = (
    click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of every random choice."
    ),
)
_FIT = (
    click.option(
        "--memory",
        default="4GiB",
        show_default=True,
        metavar="SIZE",
        help="Activations to hold in memory, as 512MiB or 2GB; what is more lies on disk beside the output.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the layers that a fit that was cut short has left."),
)
_CALIBRATION = (
    click.option(
        "--calibration",
        metavar="DATA",
        help="Unlabelled inputs: .npz, .npy, picture folder, module:function; or synthetic, for pictures drawn by "
        "convprof, which is the default where the model takes pictures. A folder of that name is ./synthetic.",
    ),
)
_PREPROCESS = (
    click.option(
        "--preprocess",
        metavar="TEXT",
        help="From pictures to inputs: unit (pixels / 255), signed, imagenet or raw, and keys such as "
        "size=224,scale=1,mean=125:123:114,std=63:62:67,order=bgr.",
    ),
)


def _format(formats: tuple[str, ...]) -> Callable[[F], F]:
    return click.option(
        "--format",
        "output_format",
        default="table",
        show_default=True,
        type=click.Choice(formats),
        help="Output format.",
    )


def together(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    """One decorator that adds several options, the first one shown first."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


shape_options = together(_SHAPES)
format_option = together((_format(FORMATS),))
output_options = together((_format(FORMATS), _FILE))
page_options = together((_format(PAGE_FORMATS), _FILE))
report_options = together((_format((*PAGE_FORMATS, NODES)), _FILE))
only_skip_options = together(_ONLY_SKIP)
quiet_option = together(_QUIET)
seed_option = together(_SEED)
preprocess_option = together(_PREPROCESS)
fit_options = together(_FIT)
calibration_option = together(_CALIBRATION)
budget_options = together(_BUDGET)
choice_options = together(_CHOICE)
judging_options = together(_JUDGING)
slower_option = together((_FAIL_IF_SLOWER,))
worse_options = together(_FAIL_IF_WORSE)
gate_options = together((_FAIL_IF_SLOWER, *_FAIL_IF_WORSE))

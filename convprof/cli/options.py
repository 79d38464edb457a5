"""The options that several commands share, and the reading of shapes and sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from convprof.errors import UsageError

if TYPE_CHECKING:
    from convprof.records.gates import Limits
    from convprof.records.plan import Budget
    from convprof.runtime import RunOptions

F = TypeVar("F", bound=Callable[..., Any])
Running = Callable[[], "RunOptions"]
"""How models are run, as a command gets it: see `run_options`."""

FORMATS = ("table", "json", "csv", "markdown")
PAGE_FORMATS = ("table", "html", "markdown", "json", "csv")
NODES = "model-explorer"
GRAPH_OPTIMIZATIONS = ("disable", "basic", "extended", "all")
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


_THOUSANDS: dict[str | None, int] = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
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
_RUN = (
    click.option(
        "--threads",
        default=1,
        show_default=True,
        type=click.IntRange(1, 1024),
        help="Threads of the runtime within an operator.",
    ),
    click.option(
        "--inter-op-threads",
        default=1,
        show_default=True,
        type=click.IntRange(1, 1024),
        help="More than one run operators beside each other where the model branches.",
    ),
    click.option(
        "--graph-optimization",
        default="all",
        show_default=True,
        type=click.Choice(GRAPH_OPTIMIZATIONS),
        help="How far ONNX Runtime may change the graph.",
    ),
    click.option(
        "--session-option",
        "session_options",
        multiple=True,
        metavar="KEY=VALUE",
        help="Configuration entry of ONNX Runtime, as session.intra_op.allow_spinning=0; repeatable.",
    ),
    click.option(
        "--provider",
        "providers",
        multiple=True,
        default=("CPUExecutionProvider",),
        show_default=True,
        metavar="NAME[:KEY=VALUE,...]",
        help="Execution provider of ONNX Runtime, by preference, with its options as in "
        "CUDAExecutionProvider:device_id=0.",
    ),
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


def _with(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def run_options(function: F) -> F:
    """Add the options of how models are run; the command gets them as one function, `options`, that makes RunOptions.

    So nothing heavy is loaded before the command has looked at its other options.
    """

    @wraps(function)
    def running(
        *,
        threads: int,
        inter_op_threads: int,
        graph_optimization: str,
        session_options: tuple[str, ...],
        providers: tuple[str, ...],
        **others: object,
    ) -> object:
        def options() -> RunOptions:
            from convprof.runtime import RunOptions

            return RunOptions(threads, providers, inter_op_threads, graph_optimization, session_options)

        return function(**others, options=options)

    return _with(_RUN)(cast(F, running))


shape_options = _with(_SHAPES)
format_option = _with((_format(FORMATS),))
output_options = _with((_format(FORMATS), _FILE))
page_options = _with((_format(PAGE_FORMATS), _FILE))
report_options = _with((_format((*PAGE_FORMATS, NODES)), _FILE))
only_skip_options = _with(_ONLY_SKIP)
quiet_option = _with(_QUIET)
seed_option = _with(_SEED)
preprocess_option = _with(_PREPROCESS)
fit_options = _with(_FIT)
calibration_option = _with(_CALIBRATION)
budget_options = _with(_BUDGET)
choice_options = _with(_CHOICE)
judging_options = _with(_JUDGING)
slower_option = _with((_FAIL_IF_SLOWER,))
worse_options = _with(_FAIL_IF_WORSE)
gate_options = _with((_FAIL_IF_SLOWER, *_FAIL_IF_WORSE))


def read_shapes(texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """From NAME:SIZES texts to shapes; a text without a name stands under "".

    The name ends at the last colon, for names may hold colons themselves. Raises UsageError for what is no shape.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition(":")
        shapes[name] = read_sizes(sizes, f"--input-shape {text!r}", "1,3,224,224 or 1x3x224x224")
    return shapes


def read_sizes(text: str, what: str, example: str) -> tuple[int, ...]:
    """Whole numbers above 0 separated by commas or x; raises UsageError for anything else."""
    parts = [part.strip() for part in text.replace("x", ",").split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 and int(part) > 0 for part in parts):
        raise UsageError(what, "sizes are whole numbers above 0, separated by commas or x", f"write {example}")
    return tuple(int(part) for part in parts)


def read_dims(texts: tuple[str, ...]) -> dict[str, int]:
    """From NAME=SIZE texts to sizes; raises UsageError for anything else."""
    dims: dict[str, int] = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        sizes = read_sizes(size, f"--dim {text!r}", "NAME=SIZE, as N=1")
        if not name or len(sizes) != 1:
            raise UsageError(f"--dim {text!r}", "it is a name and one size", "write NAME=SIZE, as N=1")
        dims[name] = sizes[0]
    return dims


def read_batches(texts: tuple[str, ...]) -> tuple[int, ...]:
    """Batch sizes from numbers separated by commas, each once; raises UsageError for anything else."""
    parts = [part for text in texts for part in text.split(",")]
    sizes = [read_sizes(part, f"--batch {part!r}", "--batch 1,8,32") for part in parts]
    if any(len(each) != 1 for each in sizes):
        raise UsageError("--batch", "a batch has one size", "write --batch 1,8,32")
    return tuple(dict.fromkeys(size for each in sizes for size in each))


def read_budget(
    latency: str | None, macs: float | None, params: float | None, max_drop: float | None, min_sqnr: float | None
) -> Budget:
    """From the options of a budget to the record; raises UsageError for a time that is none."""
    from convprof.records.plan import Budget

    share, milliseconds = (None, None) if latency is None else _read_latency(latency)
    return Budget(macs, params, share, milliseconds, max_drop, min_sqnr)


def _read_latency(text: str) -> tuple[float | None, float | None]:
    """A share, from 0.5 or 50%, or milliseconds, from 12ms or 0.1s; raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(%|ms|s)?", text.strip().lower(), re.ASCII)
    value, unit = (float(found[1]), found[2]) if found else (0.0, None)
    if unit in ("ms", "s") and value > 0:
        return None, value * (1000 if unit == "s" else 1)
    share = value / 100 if unit == "%" else value
    if not 0 < share <= 1:
        what = f"--target-latency {text!r}"
        raise UsageError(what, "it is a share of the model's time, or a time", "write 0.5, 50% or 12ms")
    return share, None


def read_seconds(text: str, what: str) -> float:
    """A time above 0 from 90s, 20m or 1.5h, in seconds; raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?(s|m|min|h)", text.strip().lower(), re.ASCII)
    seconds = float(found[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"{what} {text!r}", "it is no time above 0", "write 90s, 20m or 1.5h")
    return seconds


def read_limits(slowest: float | None, drop: float | None, params: str | None, macs: str | None) -> Limits:
    """From the options of the gates to the record; raises UsageError for a size that is none."""
    from convprof.records.gates import Limits

    return Limits(
        slowest, drop, *_read_size(params, "--fail-if-params-above"), *_read_size(macs, "--fail-if-macs-above")
    )


def _read_size(text: str | None, what: str) -> tuple[int | None, float | None]:
    """A number, from 120000, 1.2M or 3G, or a share, from 0.5 or 50%; raises UsageError for anything else."""
    if text is None:
        return None, None
    found = re.fullmatch(r"(\d{1,18}(?:\.\d{1,9})?) ?([%kmgt])?", text.strip().lower(), re.ASCII)
    value, unit = (float(found[1]), found[2]) if found else (0.0, None)
    share = value / 100 if unit == "%" else value
    if share > 0 and (unit == "%" or (unit is None and share <= 1)):
        return None, share
    count = value * _THOUSANDS.get(unit, 1)
    if count < 1 or (unit is None and count != int(count)):
        raise UsageError(f"{what} {text!r}", "it is a share of the original's, or a number", "write 0.5, 50% or 1.2M")
    return int(count), None


def read_share(text: str, what: str) -> float:
    """A share above 0, from 2% or 0.02; raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(%)?", text.strip(), re.ASCII)
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if share <= 0:
        raise UsageError(f"{what} {text!r}", "it is no share above 0", "write 2% or 0.02")
    return share


def read_bytes(text: str, what: str) -> int:
    """Bytes from a number and a unit, as 512MiB (of 1,024), 2GB (of 1,000) or 100B; raises UsageError for the rest."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(?:([kmgt])(i)?)?b", text.strip().lower(), re.ASCII)
    if found is None:
        raise UsageError(what, "it is a number and a unit", "write 512MiB, 4GiB or 2GB")
    number, unit, binary = found.groups()
    power = "kmgt".index(unit) + 1 if unit else 0
    return int(float(number) * (1024 if binary else 1000) ** power)

"""The options of how models are run, and RunOptions from them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, cast

import click

from convprof.cli.options import F, together

if TYPE_CHECKING:
    from convprof.runtime import RunOptions

Running = Callable[[], "RunOptions"]
"""How models are run, as a command gets it: see `run_options`."""

GRAPH_OPTIMIZATIONS = ("disable", "basic", "extended", "all")
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

    return together(_RUN)(cast(F, running))

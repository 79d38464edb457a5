"""The command line: each command is one file that turns argv into one call of the library and prints what it returns.

Exit codes: 0 done; 1 done, and the answer is no; 2 bad usage or bad input, one line on stderr; 130 on Ctrl-C.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from convprof._version import __version__
from convprof.errors import ConvprofError, one_line

DONE, NO, BAD, INTERRUPTED = 0, 1, 2, 130

_COMMANDS = {
    "analyze": "What a model holds and costs, and which convolutions could be replaced.",
    "optimize": "Analyse, plan, fit, rewrite, verify, bench and report: the whole way.",
    "plan": "Choose what becomes of each convolution within a budget, by measured time.",
    "probe": "Pack what another machine needs to price a model's candidates.",
    "rewrite": "Replace convolutions by a plan, or by one form at one rank.",
    "tune": "Train a converted model to answer as its original does.",
    "quantize": "Write a model as int8: the rival of a conversion, or its last step.",
    "verify": "Compare a model and its converted twin on data.",
    "bench": "Time models against each other.",
    "report": "Print the report of a run again.",
    "compare": "What changed from one run to another.",
    "cost": "The arithmetic of a separable convolution; no model needed.",
    "schema": "The JSON schema of a file that convprof writes.",
}


class _Lazy(click.Group):
    """Knows its commands by name and loads each one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a day's work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the file of one command."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"convprof.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: convprof analyze model.onnx. Every command has --help with examples.",
)
@click.version_option(__version__, prog_name="convprof")
def main() -> None:
    """Make trained convolutional networks cheaper without their source code.

    Reads an ONNX model, replaces dense convolutions by fitted separable ones, and tells with numbers that can be
    trusted how much faster and how much worse the result is, and whether it is worth having.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line on `arguments` and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal's encoding does not have must not stop the answer.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = main.main(args=list(arguments), prog_name="convprof", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return DONE
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo(f"convprof: {one_line('; '.join(['interrupted', *_notes(error)]))}", err=True)
        # Where Ctrl-C met Python inside exec(), as when a dataclass is made, Python kills itself by the signal at the
        # very end, although it was answered here. The next exec() makes it forget.
        exec("")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        click.echo(f"convprof: error: {one_line('; '.join([_reason(error), *_notes(error)]))}", err=True)
        return BAD
    return result if isinstance(result, int) else DONE


def _notes(error: BaseException) -> list[str]:
    """What was added to the error on its way up; click puts an error of its own in front of Ctrl-C."""
    return [*getattr(error, "__notes__", ()), *getattr(error.__cause__, "__notes__", ())]


def _reason(error: Exception) -> str:
    """WHAT: WHY (WHAT TO DO) for any error; with CONVPROF_DEBUG set, one that nobody foresaw is raised again."""
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "convprof"
        return f"{where}: {error.format_message()} (see {where} --help)"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, ConvprofError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory (use smaller inputs, fewer samples, or a larger machine)"
    if os.environ.get("CONVPROF_DEBUG"):
        raise error
    why = f"unexpected {type(error).__name__}: {error}"
    return f"{why} (a bug in convprof: run with CONVPROF_DEBUG=1 and report the traceback)"

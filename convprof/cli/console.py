"""What reaches the terminal: data to stdout or a file, notices and progress to stderr."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from convprof.errors import one_line
from convprof.records.gates import Gate
from convprof.records.progress import Progress, silent
from convprof.records.remarks import Remark

_PATIENCE = 1.0
_LINE_EVERY = 5.0


def deliver(render: Callable[[bool, int], str], output: str | None, inputs: Iterable[str] = ()) -> None:
    """Print `render(color, width)`, or write its plain form to the file `output`, which is none of `inputs`."""
    if output is not None:
        from convprof.files import keep_apart, write_text

        keep_apart(Path(output), map(Path, inputs))
        write_text(Path(output), render(False, 160))
        return
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    click.echo(render(color, shutil.get_terminal_size((120, 40)).columns), nl=False, color=color)


def notices(remarks: Iterable[Remark], quiet: bool) -> None:
    """Print remarks to stderr, one a line."""
    if quiet:
        return
    for remark in remarks:
        click.echo(f"convprof: note: {one_line(remark.text)}", err=True)


def held(gates: Iterable[Gate], quiet: bool) -> bool:
    """Print each limit that was not kept, or cannot be seen to be, to stderr; whether there was none."""
    stopped = [gate for gate in gates if gate.outcome != "passed"]
    for gate in stopped:
        say(f"convprof: {gate.name}: {gate.outcome}: {one_line(gate.reason)}", quiet)
    return not stopped


def say(text: str, quiet: bool) -> None:
    """One line of talk on stderr."""
    if not quiet:
        click.echo(text, err=True)


def reporter(quiet: bool) -> Progress:
    """Progress with time left on stderr, once a step has taken more than a second."""
    return silent if quiet else _Line()


class _Line:
    """One line a step: rewritten in place on a terminal, printed now and then elsewhere."""

    def __init__(self) -> None:
        self._what = ""
        self._start = self._shown = 0.0
        self._terminal = sys.stderr.isatty()
        self._open = False

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        work, _, _ = what.partition(";")
        if work != self._what or done <= 1:
            self._close()
            self._what, self._start, self._shown = work, now, now
        taken = now - self._start
        due = now - self._shown >= (0.1 if self._terminal else _LINE_EVERY) or (done == total and self._open)
        if taken < _PATIENCE or not due or total < 1:
            return
        self._shown = now
        left = taken * (total - done) / max(done - 1, 1)
        text = f"{what}: {done:,}/{total:,}, {left:.0f} s left" if done < total else f"{what}: done in {taken:.0f} s"
        click.echo(f"\r\033[K{text}" if self._terminal else text, nl=not self._terminal, err=True)
        self._open = True
        if done == total:
            self._close()

    def _close(self) -> None:
        if self._open and self._terminal:
            click.echo("", err=True)
        self._open = False

"""Entry point of the command line."""

from __future__ import annotations

import gc
import sys

from convprof.cli import run


def main() -> None:
    """Run the command line and leave with its exit code."""
    # Imports make hundreds of thousands of objects that all live on: looking for garbage among them takes a third of
    # a short command's time, both on the way and, unless they are frozen, once more at exit.
    gc.set_threshold(100_000, 50, 50)
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()

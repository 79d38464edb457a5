"""A training run as torchrun starts it, once for each process: `one_of_several.py FOLDER SETTINGS [STOP_AFTER]`.

Each process writes the student that it ends with, under its own number. A run that was stopped is gone on with.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from small_networks import Problem, trained

from convprof import processes
from convprof.records.tuning import Settings


def main() -> None:
    """Train the problem that lies in the folder."""
    folder = Path(sys.argv[1])
    each = Problem(folder / "teacher.onnx", folder / "student.onnx", folder / "data.npz", folder)
    settings = msgspec.json.decode(sys.argv[2], type=Settings)
    stop = int(sys.argv[3]) if len(sys.argv) > 3 else None
    resume = (folder / "process0.onnx.tune").exists()
    trained(each, settings, stop, resume, f"process{processes.rank()}.onnx")


if __name__ == "__main__":
    main()

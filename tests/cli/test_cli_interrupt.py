"""Ctrl-C: exit code 130, one line, nothing half-written, and what was fitted is kept for --resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ROOT, SAMPLES, process

DIGITS: list[str | Path] = [
    SAMPLES / "digits_vgg.onnx",
    "--calibration",
    SAMPLES / "digits_calib.npz",
    "--preprocess",
    "unit",
]


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Ctrl-C reaches what is started here, even where the tests themselves run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, existing: bool) -> None:
    run = tmp_path / "deep" / "run"
    if existing:
        run.mkdir(parents=True)
        (run / "plan.json").write_text("from another time")
    started = start("optimize", *DIGITS, "--target-macs", "0.5", "-o", run, "--memory", "0B")
    # The fifth value on disk, after four chunks of inputs: the survey is at work, and no layer has been fitted yet.
    wait_for(run, ".convprof-*/.work-*/.convprof-values-*/5")
    assert interrupt(started).splitlines()[-1] == "convprof: interrupted"
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ([run / "plan.json"] if existing else [])
    assert (tmp_path / "deep").exists() == existing


@pytest.mark.parametrize("command", ["rewrite", "optimize"])
def test_an_interrupted_fit_goes_on(tmp_path: Path, command: str) -> None:
    more = (
        ["--form", "depthwise-pointwise", "--rank", "1"]
        if command == "rewrite"
        else ["--target-macs", "0.5", "--form", "spatial", "--iterations", "2"]
    )
    more += ["--skip", "features.4.conv", "--skip", "features.5.conv"]
    arguments: list[str | Path] = [command, *DIGITS, *more, "--memory", "8MiB"]
    output = tmp_path / "first"
    started = start(*arguments, "-o", output)
    wait_for(tmp_path / "first.fit", "00001.npz")
    last = interrupt(started).splitlines()[-1]
    assert last.startswith("convprof: interrupted; ")
    assert "fitted layers are kept in" in last
    assert "--resume" in last
    kept = {"rewrite": ["first.fit"], "optimize": ["first", "first.fit"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == kept[command]

    resumed = process(*arguments, "-o", output, "--resume")
    assert resumed.code in (0, 1), resumed.err
    assert "were taken from a fit that had been cut short" in resumed.err
    assert process(*arguments, "-o", tmp_path / "second").code in (0, 1)
    files = [tmp_path / name for name in ("first", "second")]
    models = [path / "model.onnx" if command == "optimize" else path for path in files]
    assert models[0].read_bytes() == models[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "convprof", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 60
    while not any(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)


def interrupt(started: subprocess.Popen[str]) -> str:
    """Press Ctrl-C; what it said."""
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    return err

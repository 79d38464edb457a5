"""Ctrl-C: exit code 130, one line, and nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import ROOT, SAMPLES


@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, existing: bool) -> None:
    run = tmp_path / "deep" / "run"
    if existing:
        run.mkdir(parents=True)
        (run / "plan.json").write_text("from another time")
    arguments = ["optimize", SAMPLES / "digits_vgg.onnx", "--calibration", SAMPLES / "digits_calib.npz"]
    arguments += ["--preprocess", "unit", "-o", run]
    process = subprocess.Popen(
        [sys.executable, "-m", "convprof", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not any(run.glob(".convprof-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "convprof: interrupted"
    assert "Traceback" not in err
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ([run / "plan.json"] if existing else [])
    assert (tmp_path / "deep").exists() == existing

"""Two processes under torchrun train what one does, and only the first writes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from small_networks import CLASSES, NORMALISED, PICTURES, problem, same, trained, weights

from convprof.errors import UsageError
from convprof.records.files import decode
from convprof.records.tuning import Settings, Tuning

QUICK = Settings(recipe=("distill",), batch=33, learning_rate=0.01, threads=1, epochs=6, augment=("flip", "crop"))
HERE = Path(__file__).parent


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes of this machine, which find each other whatever its name and its networks are."""
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    options = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *options, *arguments],
        env={**os.environ, "GLOO_SOCKET_IFNAME": loopback},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (CLASSES, {}),
        (CLASSES, {"augment": ("jitter",), "loss": "relative-l2"}),
        (PICTURES, {"recipe": ("reconstruct", "distill"), "augment": None}),
        (NORMALISED, {"recipe": ("reconstruct",)}),
    ],
)
def test_two_processes_do_what_one_does(tmp_path: Path, text: str, changes: dict[str, object]) -> None:
    each, settings = problem(tmp_path, text, samples=360), msgspec.structs.replace(QUICK, **changes)
    done = torchrun(str(HERE / "one_of_several.py"), str(tmp_path), msgspec.json.encode(settings).decode())
    assert done.returncode == 0, done.stderr
    trained(each, settings)
    alone, first, second = (weights(tmp_path / f"{name}.onnx") for name in ("out", "process0", "process1"))
    start = weights(each.student)
    assert all(np.array_equal(first[name], second[name]) for name in alone)
    # In front of a normalisation a bias has no gradient but rounding.
    names = [name for name in alone if text != NORMALISED or name not in {"b1", "m"}]
    moved = max(float(np.abs(alone[name] - start[name]).max()) for name in names)
    apart = max(float(np.abs(alone[name] - first[name]).max()) for name in names)
    assert apart < 1e-4 * moved
    assert not list(tmp_path.glob("*.tune"))


def test_what_the_first_process_has_kept_is_gone_on_with_by_both(tmp_path: Path) -> None:
    for folder in ("whole", "cut"):
        (tmp_path / folder).mkdir()
        problem(tmp_path / folder)
    arguments = [str(HERE / "one_of_several.py"), str(tmp_path / "cut"), msgspec.json.encode(QUICK).decode()]
    assert torchrun(*arguments, "20").returncode != 0
    assert [path.name for path in (tmp_path / "cut").glob("*.tune")] == ["process0.onnx.tune"]
    assert torchrun(*arguments).returncode == 0
    assert torchrun(arguments[0], str(tmp_path / "whole"), arguments[2]).returncode == 0
    for name in ("process0.onnx", "process1.onnx"):
        assert same(weights(tmp_path / "cut" / name), weights(tmp_path / "whole" / name))


def test_the_command_says_and_writes_once(tmp_path: Path) -> None:
    each = problem(tmp_path, samples=360)
    options = ["--teacher", str(each.teacher), "--calibration", str(each.data), "-o", str(tmp_path / "out.onnx")]
    done = torchrun("-m", "convprof", "tune", str(each.student), *options, "--epochs", "6", "--recipe", "distill")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Training of") == 1
    assert "2 processes, each 1 thread" in done.stdout
    assert done.stderr.count("convprof: wrote") == 1
    record = decode((tmp_path / "out.tuning.json").read_bytes(), Tuning, "record")
    assert (record.processes, record.settings.batch) == (2, 128)
    assert record.stages[0].after < record.stages[0].before


def test_a_batch_is_at_least_one_sample_each(tmp_path: Path) -> None:
    each = problem(tmp_path, samples=40)
    options = ["--teacher", str(each.teacher), "--calibration", str(each.data), "--batch", "1"]
    done = torchrun("-m", "convprof", "tune", str(each.student), *options)
    assert done.returncode != 0
    assert "2 processes cannot share 1 samples" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "student.onnx", "teacher.onnx"]


@pytest.mark.parametrize(("name", "value"), [("RANK", "one"), ("WORLD_SIZE", "-2")])
def test_a_variable_that_is_no_number_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"{name}: the variable is '{value}'"):
        problem(tmp_path, samples=40).tune(epochs=1)

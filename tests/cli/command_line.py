"""Runs the command line, in this process or in one of its own, and builds the small models that it is run on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from numpy.typing import NDArray
from onnx import numpy_helper

from convprof import cli
from convprof.records.files import schema

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_models"


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


def convprof(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Result:
    """Run a command in this process."""
    capsys.readouterr()
    code = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return Result(code, captured.out, captured.err)


def process(*arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Result:
    """Run a command in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "convprof", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        check=False,
        timeout=120,
    )
    return Result(ran.returncode, ran.stdout, ran.stderr)


def refused(result: Result) -> str:
    """The one line of a refusal."""
    assert result.code == 2, result
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("convprof: error: ")
    assert "Traceback" not in result.err
    assert "unexpected" not in result.err
    assert lines[0].isprintable()
    assert result.out == ""
    return lines[0].removeprefix("convprof: error: ")


def valid(text: str) -> str:
    """The name of the format that `text` says it is in, by whose published schema it is valid."""
    value = json.loads(text)
    name = str(value["schema"]).removeprefix("convprof.").partition("/")[0]
    Draft202012Validator(schema(name)).validate(value)
    return name


def noise(*shape: int, seed: int = 0) -> NDArray[Any]:
    return (np.random.default_rng(seed).standard_normal(shape) / 3).astype(np.float32)


def store(path: Path, text: str, **weights: NDArray[Any]) -> Path:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    path.write_bytes(model.SerializeToString())
    return path


def small_model(folder: Path, name: str = "model.onnx") -> Path:
    """Three convs and a classifier."""
    text = """g (float[N, 3, 12, 12] x) => (float[N, 4] y) {
        a = Conv <pads = [1, 1, 1, 1]> (x, w1)  r = Relu(a)
        b = Conv <pads = [1, 1, 1, 1]> (r, w2)  s = Relu(b)
        c = Conv(s, w3)  p = GlobalAveragePool(c)  f = Flatten(p)  y = Gemm(f, k)
    }"""
    kernels = {"w1": noise(8, 3, 3, 3), "w2": noise(8, 8, 3, 3, seed=1), "w3": noise(8, 8, 3, 3, seed=2)}
    return store(folder / name, text, **kernels, k=noise(8, 4, seed=3))


def separable_model(folder: Path) -> Path:
    """A dense conv that is a separable one in disguise: rank 1 loses nothing and is several times faster."""
    depthwise, pointwise = noise(128, 3, 3), noise(128, 128, seed=1)
    kernel = pointwise[:, :, None, None] * depthwise[None]
    text = "g (float[N, 128, 28, 28] x) => (float[N, 128, 28, 28] y) { y = Conv <pads = [1, 1, 1, 1]> (x, w) }"
    return store(folder / "separable.onnx", text, w=kernel)


def data(folder: Path, count: int = 24, shape: tuple[int, ...] = (3, 12, 12)) -> Path:
    path = folder / "data.npz"
    labels = np.arange(count, dtype=np.int64) % 4
    np.savez(path, allow_pickle=False, x=noise(count, *shape, seed=5), y=labels)
    return path

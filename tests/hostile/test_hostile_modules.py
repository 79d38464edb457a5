"""No file makes the torch module crash, hang or eat the memory: it runs, or says in one line why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hostile_models import MODELS, build, store

from convprof.errors import ConvprofError
from convprof.torch import load

ROOT = Path(__file__).parents[2]
CONSTANTS = {
    "ConstantOfShape": "s = Constant <value_ints = [65536, 65536]> ()  t = ConstantOfShape(s)",
    "Expand": "s = Constant <value_ints = [65536, 65536]> ()  o = Constant <value_float = 1.0> ()  e = Expand(o, s)"
    "  t = Neg(e)",
    "Range": "a = Constant <value_int = 0> ()  z = Constant <value_int = 4611686018427387904> ()"
    "  i = Constant <value_int = 1> ()  r = Range(a, z, i)  t = Cast <to = 1> (r)",
    "Tile": "o = Constant <value_floats = [1.0]> ()  s = Constant <value_ints = [4294967296]> ()  t = Tile(o, s)",
    "Pad": "o = Constant <value_floats = [1.0]> ()  s = Constant <value_ints = [0, 4294967296]> ()  t = Pad(o, s)",
    "outer product": "s = Constant <value_ints = [65536, 1]> ()  r = Constant <value_ints = [1, 65536]> ()"
    "  c = ConstantOfShape(s)  d = ConstantOfShape(r)  t = Add(c, d)",
    "many": "s = Constant <value_ints = [8192, 8192]> ()"
    + "".join(f" c{i} = ConstantOfShape(s)" for i in range(40))
    + f" t = Sum({', '.join(f'c{i}' for i in range(40))})",
}
RUN = """
import json, resource, sys
import torch, convprof
def said(path):
    try: convprof.torch.load(path)(torch.zeros(1, 3, 12, 12))
    except convprof.ConvprofError as error: return str(error)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
refusals = [said(path) for path in sys.argv[1:]]
print(json.dumps([refusals, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_hostile_model_runs_or_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    said = refusal(store(name, tmp_path))
    assert said is None or said.isprintable()


def refusal(path: Path) -> str | None:
    try:
        module = load(path)
        shapes = {port.name: [min(size or 1, 64) for size in port.shape or ()] for port in module.network.inputs}
        module(**{name: torch.zeros(shape) for name, shape in shapes.items()})
    except ConvprofError as error:
        return str(error)
    return None


def test_constants_that_grow_without_bound_are_refused_before_they_are_made(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.onnx" for name in CONSTANTS]
    for path, body in zip(paths, CONSTANTS.values(), strict=True):
        path.write_bytes(build(f"{body}  m = ReduceSum(t)  y = Add(x, m)").SerializeToString())
    command = [sys.executable, "-c", RUN, *map(str, paths)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
    refusals, mebibytes = json.loads(ran.stdout)
    assert [name for name, said in zip(CONSTANTS, refusals, strict=True) if "too large" not in (said or "")] == []
    assert mebibytes < 1200

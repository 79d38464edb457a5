"""The count of fvcore beside convprof's: equal where both count, and a reason for every difference."""

from __future__ import annotations

import os
import subprocess
import sys
from math import prod
from pathlib import Path

import onnx
import onnx.parser
import pytest

import convprof.torch
from convprof.cli import run
from convprof.errors import MissingError, ModelError
from convprof.records.analysis import Analysis
from convprof.records.cross_check import CrossCheck
from convprof.records.files import decode
from convprof.reporting import render_analysis

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_models" / "digits_vgg.onnx"


def ones(name: str, *shape: int) -> str:
    return f"float{list(shape)} {name} = {{{', '.join(['1'] * prod(shape))}}}"


MIXED = f"""
<ir_version: 8, opset_import: ["" : 18, "my": 1]>
mixed (float[2,3,8,8] x, float[2,1,4] q) => (float[2,4,16,16] y, float[5,2,6] z, float[2,1,7] w, float[2,1,1] e)
<{ones("k", 4, 3, 3, 3)}, {ones("b", 4)}, {ones("t", 4, 2, 3, 3)}, {ones("m", 5, 4, 6)}, {ones("f", 4, 7)},
 int64[1] one = {{1}}, float[4] scales = {{1, 1, 2, 2}}>
{{
   c = Conv <pads = [1,1,1,1]> (x, k, b)
   n = BatchNormalization (c, b, b, b, b)
   r = Relu (n)
   u = Resize <mode = "nearest"> (r, , scales)
   i = InstanceNormalization (u, b, b)
   d = Conv <group = 2, pads = [1,1,1,1]> (i, t)
   y = AveragePool <kernel_shape = [2,2], pads = [0,0,1,1], count_include_pad = 0> (d)
   s = Squeeze (q, one)
   z = MatMul (s, m)
   w = my.twice (q, f)
   e = Einsum <equation = "bij,bkj->bik"> (q, q)
   unused = MatMul (q, f)
}}
<domain: "my", opset_import: ["" : 18]>
twice (a, b) => (c) {{ d = MatMul (a, b) c = Add (d, d) }}
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    onnx.save(onnx.parser.parse_model(MIXED), tmp_path / "mixed.onnx")
    return tmp_path / "mixed.onnx"


def checked(path: Path) -> tuple[Analysis, CrossCheck]:
    found = convprof.analyze(path, max_rank=0, cross_check=True)
    assert found.cross_check is not None
    return found, found.cross_check


def test_the_sample_is_counted_alike() -> None:
    found, check = checked(SAMPLE)
    assert check.counted == check.macs == found.totals.macs
    assert {row.reason for row in check.operators} == {None}
    assert not check.nodes


def test_every_difference_has_a_reason(mixed: Path) -> None:
    found, check = checked(mixed)
    conv = 2 * 8 * 8 * 4 * 27 + 2 * 16 * 16 * 4 * 2 * 9
    rows = {(row.op_type, row.reason.code): (row.macs, row.counted) for row in check.operators if row.reason}
    assert rows.pop(("AveragePool", "convention"))[1] > 0  # torch has no such pool: it is made of convs
    assert rows == {
        ("BatchNormalization", "convention"): (0, 2 * 2 * 4 * 8 * 8),
        ("InstanceNormalization", "convention"): (0, 5 * 2 * 4 * 16 * 16),
        ("Resize", "convention"): (0, 2 * 4 * 16 * 16),
        ("MatMul", "broadcast"): (5 * 2 * 4 * 6, 2 * 4 * 6),
        ("MatMul", "not-run"): (2 * 4 * 7, 0),
        ("MatMul", "inlined"): (0, 2 * 4 * 7),
        ("MatMul", "uncounted"): (None, 0),
        ("Einsum", "uncounted"): (None, 2 * 4),
        ("twice", "uncounted"): (None, 0),
    }
    alike = {row.op_type: row.counted for row in check.operators if row.reason is None and row.counted}
    assert alike == {"Conv": conv}
    assert check.macs == found.totals.macs
    assert check.counted - check.macs == sum(row.counted - (row.macs or 0) for row in check.operators)
    assert check.unexplained == 0
    assert [(node.name, node.reason.code) for node in check.nodes] == [
        ("z", "broadcast"),
        ("w", "uncounted"),
        ("e", "uncounted"),
        ("unused", "not-run"),
        ("d", "uncounted"),
    ]


def test_the_command_shows_it_in_every_format(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = checked(mixed)
    for output_format in ("table", "markdown", "html"):
        text = render_analysis(found, output_format, width=200)
        assert "Counted by fvcore as well" in text
        assert "every difference has a reason" in text
        assert "broadcast" in text
        assert "Relu (1)" in text
    assert run(["analyze", str(SAMPLE), "--cross-check", "fvcore", "--max-rank", "0", "--format", "json"]) == 0
    check = decode(capsys.readouterr().out.encode(), Analysis, "stdout").cross_check
    assert check is not None
    assert (check.tool, check.unexplained) == ("fvcore", 0)


def test_without_torch_it_says_what_to_install() -> None:
    arguments = ["analyze", str(SAMPLE), "--cross-check", "fvcore"]
    code = f"import sys; sys.modules['torch'] = None; from convprof.cli import run; sys.exit(run({arguments!r}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 2
    assert ran.stderr == "convprof: error: convprof.torch: torch is not installed (pip install 'convprof[tune]')\n"


def test_without_fvcore_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fvcore", None)
    monkeypatch.delitem(sys.modules, "convprof.torch.counting", raising=False)
    monkeypatch.delattr(convprof.torch, "counting", raising=False)
    with pytest.raises(MissingError, match=r"fvcore is not installed \(pip install 'convprof\[tune\]'\)"):
        checked(SAMPLE)


def test_what_fvcore_cannot_count_is_an_error(tmp_path: Path) -> None:
    graph = f"g (float[2,3] x) => (float[2] y) <{ones('v', 3)}> {{ y = MatMul (x, v) }}"
    text = f'<ir_version: 8, opset_import: ["" : 18]> {graph}'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "vector.onnx")
    with pytest.raises(ModelError, match="fvcore cannot count it: list index out of range"):
        checked(tmp_path / "vector.onnx")

"""The guide to training loops does what it says: its Python and its commands are run, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

import convprof
from convprof.cli import run
from convprof.records.files import decode
from convprof.records.plan import Plan

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "torch.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def error(path: str) -> float:
    """Of the outputs of the file on the sample's test pictures."""
    found = convprof.verify("sample_models/digits_vgg.onnx", path, "sample_models/digits_test.npz", preprocess="unit")
    return found.outputs[0].relative_l2 or 0.0


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample_models").symlink_to(ROOT / "sample_models")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(GUIDE)
    assert [language for language, _ in blocks] == ["sh", "python", "sh", "python", "python", "sh", "python"]
    for language, text in blocks:
        if language == "python":
            exec(compile(text, "docs/guides/torch.md", "exec"), names)
        else:
            _, *arguments = shlex.split(text.replace("\\\n", " "))
            assert run([*arguments, "--quiet"]) == 0

    assert error("tuned.onnx") < error("separable.onnx")
    planned = decode(Path("run/plan.json").read_bytes(), Plan, "plan.json")
    assert len(names["made"].replaced) == len(planned.layers) > 0
    assert convprof.analyze("separated.onnx", max_rank=0).totals.macs == planned.predicted.macs


def test_the_page_names_every_reason() -> None:
    listed = set(re.findall(r"`([a-z-]+)`", GUIDE[GUIDE.index("**What stays as it is**") :]))
    source = "".join(
        path.read_text(encoding="utf-8")
        for name in ("torch/sites.py", "torch/separating.py", "forms/refusals.py", "forms/spatial.py")
        for path in [ROOT / "convprof" / name]
    )
    assert set(re.findall(r'Remark\("([a-z-]+)"', source)) == listed

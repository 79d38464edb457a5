"""The guide to training does what it says: its commands and its Python are run, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import convprof
from convprof.cli import run

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "tuning.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample_models").symlink_to(ROOT / "sample_models")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(GUIDE)
    assert [language for language, _ in blocks] == ["sh", "sh", "sh", "python"]
    for language, text in blocks:
        if language == "python":
            exec(compile(text, "docs/guides/tuning.md", "exec"), names)
        else:
            _, *arguments = shlex.split(text.replace("\\\n", " "))
            assert run([*arguments, "--quiet"]) == 0
    assert names["stage"].after <= names["stage"].before
    assert convprof.analyze("better.onnx", max_rank=0).totals == convprof.analyze("separable.onnx", max_rank=0).totals

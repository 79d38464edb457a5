"""The guide to training does what it says: its commands and its Python are run, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convprof
from convprof.cli import run

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "tuning.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A place as the root of a clone is, with fewer inputs to train on: nobody waits for a good training here."""
    samples = tmp_path / "sample_models"
    samples.mkdir()
    for path in (ROOT / "sample_models").iterdir():
        (samples / path.name).symlink_to(path)
    (samples / "digits_calib.npz").unlink()
    with np.load(ROOT / "sample_models" / "digits_calib.npz") as pictures:
        np.savez(samples / "digits_calib.npz", allow_pickle=False, x=pictures["x"][:80])
    return tmp_path


def test_the_page_runs_from_top_to_bottom(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
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

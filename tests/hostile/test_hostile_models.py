"""No file makes a command crash, hang, eat the memory, read or write elsewhere, or speak with another's voice."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_models import KERNEL, MODELS, NAMES, store

from convprof import cli

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "analyze": ["analyze", "model.onnx"],
    "json": ["analyze", "model.onnx", "--format", "json"],
    "page": ["analyze", "model.onnx", "--format", "html"],
    "rewrite": ["rewrite", "model.onnx", "-o", "out/new.onnx", "--form", "depthwise-pointwise", "--rank", "1"],
    "optimize": ["optimize", "model.onnx", "--target-macs", "0.9", "--iterations", "2", "-o", "out"],
    "plan": ["plan", "model.onnx", "--target-latency", "0.9", "--form", "depthwise-pointwise", "-o", "out"],
    "probe": ["probe", "model.onnx", "--form", "depthwise-pointwise", "-o", "out/probe.zip"],
    "quantize": ["quantize", "model.onnx", "-o", "out/int8.onnx"],
}
ABSURD = sorted(name for name in MODELS if name.startswith(("absurd", "overflowing", "huge-numbers", "lying-large")))
REFUSED_BY_ALL = (
    "absolute-data",
    "climbing-data",
    "cycle",
    "self-loop",
    "duplicate-values",
    "output-that-nothing-makes",
    "group-of-wrong-type",
)


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process draw few synthetic pictures: nobody waits for a good fit here."""
    monkeypatch.setattr("convprof.data.synthetic.PICTURES", 64)


def check(code: int, out: str, err: str, folder: Path) -> None:
    assert code in (0, 1, 2), err
    assert "Traceback" not in err
    assert "unexpected" not in err, err
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    lines = err.splitlines()
    assert all(
        line.startswith(("convprof: ", "survey: ", "fit: ", "verify: ", "price: ", "quantize: ")) for line in lines
    ), err
    errors = [line for line in lines if line.startswith("convprof: error: ")]
    assert len(errors) == (code == 2)
    if code == 2:
        assert lines == errors
        assert out == ""
        assert {path.name for path in folder.iterdir()} <= {"model.onnx", "out"}
        assert {path.name for path in folder.glob("out/*")} <= {"latency.json", "damage.json"}
    else:
        assert {path.name for path in folder.iterdir()} <= {"model.onnx", "out"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", sorted(set(MODELS) - set(ABSURD)))
def test_every_command_survives_every_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    store(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    code = cli.run(COMMANDS[command])
    captured = capsys.readouterr()
    check(code, captured.out, captured.err, tmp_path)
    if name in REFUSED_BY_ALL:
        assert code == 2


@pytest.mark.parametrize("command", ["analyze", "rewrite", "optimize"])
@pytest.mark.parametrize("name", ABSURD)
def test_absurd_sizes_cost_neither_time_nor_memory(tmp_path: Path, name: str, command: str) -> None:
    store(name, tmp_path)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (30, 30))  # its own seconds, which other programs do not lengthen

    ran = subprocess.run(
        [sys.executable, "-m", "convprof", *COMMANDS[command]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    check(ran.returncode, ran.stdout, ran.stderr, tmp_path)


@pytest.mark.parametrize("location", ["absolute", "climbing", "link"])
@pytest.mark.parametrize("command", COMMANDS)
def test_data_outside_the_folder_are_neither_read_nor_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], location: str, command: str
) -> None:
    from hostile_models import external

    folder, secret = tmp_path / "model", tmp_path / "secret.bin"
    folder.mkdir()
    secret.write_bytes(KERNEL.tobytes())
    before = secret.stat().st_atime_ns, secret.read_bytes()
    os.utime(secret, ns=(0, 0))
    where = {"absolute": str(secret), "climbing": "../secret.bin", "link": "link.bin"}[location]
    (folder / "link.bin").symlink_to(secret)
    (folder / "model.onnx").write_bytes(external(where).SerializeToString())
    monkeypatch.chdir(folder)
    assert cli.run(COMMANDS[command]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "outside the model's folder" in err
    assert (secret.stat().st_atime_ns, secret.stat().st_mtime_ns) == (0, 0)
    assert secret.read_bytes() == before[1]
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "link.bin"}


@pytest.mark.parametrize("key", NAMES)
def test_names_go_through_every_file_unchanged_and_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    store(f"name-{key}", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.run(COMMANDS["optimize"]) in (0, 1)
    capsys.readouterr()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.onnx",
        "plan.json",
        "report.json",
        "report.html",
        "damage.json",
        "int8.onnx",
        "pictures.json",  # eight channels of the size of the input are taken for classes
    }
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert [layer["name"] for layer in plan["layers"]] == [f"{NAMES[key]}Conv"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    arguments = ["rewrite", "model.onnx", "--plan", "out/plan.json", "-o", "again.onnx", "-q"]
    assert cli.run(arguments) == 0
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "out" / "model.onnx").read_bytes()

"""What goes to another machine runs there without convprof, and what comes back is checked before it is believed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from priced import opened

from convprof import execution, pricing
from convprof.errors import DataError, OutputError
from convprof.records.files import encode


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the packed models were timed."""
    model, analysis = opened()
    folder = tmp_path_factory.mktemp("there")
    archive = folder / "probe.zip"
    feeds = execution.example_feeds(model.inputs, seed=0)
    probes = pricing.pack(model, analysis, analysis.eligible(), ["channel"], feeds, archive)
    assert list(folder.iterdir()) == [archive]
    with zipfile.ZipFile(archive) as packed:
        assert {"probe.py", "manifest.json", "feeds.npz", probes.models[0].file} <= set(packed.namelist())
        packed.extractall(folder)
    command = [sys.executable, "-I", "probe.py", "--rounds", "1", "--threads", "1", "-o", "latency.json"]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    return folder


def test_it_packs_well(there: Path) -> None:
    with zipfile.ZipFile(there / "probe.zip") as packed:
        weights = [entry for entry in packed.infolist() if entry.filename.endswith(".weights")]
    assert all(entry.compress_size < 5_000 + entry.file_size / 100 for entry in weights)


def test_the_program_needs_no_package_of_ours(there: Path) -> None:
    assert "convprof import" not in (there / "probe.py").read_text(encoding="utf-8")


def test_what_it_measured_is_read_as_prices_and_so_is_a_table_that_was_kept(there: Path, tmp_path: Path) -> None:
    model, analysis = opened()
    prices = pricing.read(there / "latency.json", model)
    assert [layer.name for layer in prices.layers] == [conv.name for conv in analysis.convs]
    assert {candidate.form for candidate in prices.candidates} == {"channel"}
    assert all(candidate.time.rounds == 1 for candidate in prices.candidates)
    assert prices.environment.cores >= 1
    kept = tmp_path / "kept.json"
    kept.write_text(encode(prices), encoding="utf-8")
    assert pricing.read(kept, model) == prices


def test_an_output_that_is_the_model_is_refused() -> None:
    model, analysis = opened()
    feeds = execution.example_feeds(model.inputs, seed=0)
    with pytest.raises(OutputError, match="the model being read"):
        pricing.pack(model, analysis, analysis.eligible(), ["channel"], feeds, Path(model.file.path))


def damaged(there: Path, where: Path, *changes: tuple[str, Any]) -> Path:
    """A copy of what came back in which each value at a dotted path is another one."""
    document = msgspec.json.decode((there / "latency.json").read_bytes())
    for place, value in changes:
        at = document
        *way, last = [int(step) if step.isdigit() else step for step in place.split(".")]
        for step in way:
            at = at[step]
        at[last] = value
    path = where / "damaged.json"
    path.write_bytes(msgspec.json.encode(document))
    return path


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        ("times.0.end_to_end.0", -1.0, "above 0"),
        ("times.0.end_to_end.0", 0.0, "above 0"),
        ("times.0.end_to_end.0", "soon", "Expected `float`"),
        ("times.0.end_to_end", [], "every round"),
        ("times.1.nodes.0.ms", [1.0, 2.0], "every round"),
        ("times.1.nodes.0.ms", [-1.0], "above 0"),
        ("times.1.label", "dense", "those of its models"),
        ("times", [], "those of its models"),
        ("probes.models", [], "those of its models"),
        ("probes.inputs", [], "other input shapes"),
        ("probes.model.sha256", "0", "another file"),
        ("probes.models.0.layers", [{"name": "x", "form": "channel", "rank": [1]}], "the model as it is"),
        ("probes.models.1.layers.0.emission", "loud", "Invalid enum value"),
        ("schema", "convprof.latency/1", "not a latencytable"),
        ("schema", "convprof.run/1", "not a latencytable"),
        ("schema", 3, "Expected `str`"),
    ],
)
def test_damage_is_named(there: Path, tmp_path: Path, place: str, value: Any, why: str) -> None:
    model, _ = opened()
    with pytest.raises(DataError, match=why):
        pricing.read(damaged(there, tmp_path, (place, value)), model)


@pytest.mark.parametrize("content", [b"", b"[]", b"PK\x03\x04", b'{"schema": "convprof.probe-times/1"', b"[" * 100_000])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "latency.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"latency\.json"):
        pricing.read(path, opened()[0])


def test_a_table_with_a_negative_time_is_refused(there: Path, tmp_path: Path) -> None:
    model, _ = opened()
    prices = pricing.read(there / "latency.json", model)
    bad = msgspec.structs.replace(prices.layers[0], time=msgspec.structs.replace(prices.layers[0].time, ms=-1.0))
    path = tmp_path / "table.json"
    path.write_text(encode(msgspec.structs.replace(prices, layers=(bad, *prices.layers[1:]))), encoding="utf-8")
    with pytest.raises(DataError, match="below 0"):
        pricing.read(path, model)

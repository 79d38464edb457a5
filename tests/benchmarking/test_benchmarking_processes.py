from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from onnx import parser

from convprof.benchmarking import measure, processes
from convprof.errors import ModelError
from convprof.records.progress import silent
from convprof.runtime import RunOptions, peak_memory

FEEDS = {"x": np.ones((1, 4), np.float32)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    text = '<ir_version: 9, opset_import: ["": 17]> g (float[N, 4] x) => (float[N, 4] y) { y = Exp(x) }'
    path = tmp_path / "net.onnx"
    path.write_bytes(parser.parse_model(text).SerializeToString())
    return path


def test_each_process_takes_all_rounds_of_all_models(model: Path) -> None:
    said: list[tuple[str, int, int]] = []
    found = measure(
        [(model, "a"), (model, "b")],
        [FEEDS] * 2,
        options=RunOptions(),
        iterations=4,
        processes=2,
        floor=True,
        progress=lambda *state: said.append(state),
    )
    assert [each.rounds for each in found.processes] == [4, 4]
    assert [len(each.samples_ms) for each in found.models] == [8, 8]
    assert [each.sha256 for each in found.models] == ["a", "b"]
    assert "few-processes" in [remark.code for remark in found.cautions]
    assert said == [("processes", 1, 2), ("processes", 2, 2), ("memory", 1, 2), ("memory", 2, 2)]
    if sys.platform == "linux":
        assert all((each.peak_memory or 0) > 1 << 20 for each in found.models)


def test_a_refusal_comes_back_as_it_was_said(model: Path) -> None:
    with pytest.raises(ModelError, match=r"net\.onnx"):
        measure([(model, "")], [{}], options=RunOptions(), processes=2)


def test_a_process_that_dies_is_an_error_with_its_last_words() -> None:
    with pytest.raises(ModelError, match=r"net: .* ended with 3: it said nothing"):
        processes._done(partial(sys.exit, 3), "net")
    with pytest.raises(ModelError, match=r"ended with 1: ZeroDivisionError"):
        processes._done(partial(divmod, 1, 0), "net")


@pytest.mark.skipif(sys.platform != "linux", reason="only there does it pass over the parent's memory")
def test_the_memory_of_a_process_is_its_own_and_not_its_parents() -> None:
    ballast = np.ones(1 << 26, np.uint8)  # 64 MiB, touched
    own = peak_memory()
    assert own is not None
    child = processes._done(peak_memory, "nothing")
    assert child is not None
    assert child + ballast.nbytes / 2 < own


def test_models_keep_their_places_whatever_order_they_are_opened_in(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process opens them in an order of its own, and the series come back in the order asked for."""
    from convprof.benchmarking.rounds import Length, Series, Task

    orders: list[list[str]] = []

    def done(job: partial[object], what: str) -> object:
        task: Task = job.args[0]
        orders.append([path.name for path in task.models])
        return tuple(Series(float(path.name), 0.0, (1.0,)) for path in task.models)

    monkeypatch.setattr(processes, "_done", done)
    task = Task(tuple(map(Path, "0123")), ({},) * 4, RunOptions(), 0, Length(1), 0)
    found = processes.take_in_processes(task, 6, silent)
    assert all([each.load_ms for each in one] == [0, 1, 2, 3] for one in found)
    assert len({tuple(order) for order in orders}) > 3

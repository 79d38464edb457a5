from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO

import example_run
import hostile
import msgspec
import pandas
import pytest

from convprof.errors import UsageError
from convprof.records import files
from convprof.records.analysis import Analysis
from convprof.records.benchmark import Benchmark, Comparison, ProcessRounds
from convprof.records.fidelity import Fidelity
from convprof.records.gates import Gate
from convprof.records.plan import Plan
from convprof.records.run import Run
from convprof.reporting import (
    FORMATS,
    render_analysis,
    render_benchmark,
    render_fidelity,
    render_plan,
    render_run,
    wording,
)
from convprof.reporting.candidates import candidates

Maker = Callable[[], Run]
RUNS: tuple[Maker, ...] = (example_run.run, example_run.bare_run, example_run.refitted_run, hostile.run)


def texts(run: Run, output_format: str) -> list[str]:
    """Every record of a run in one format."""
    found = [
        render_run(run, output_format),
        render_analysis(run.analysis, output_format),
        render_plan(run.plan, output_format),
        render_benchmark(run.benchmark, output_format),
    ]
    return found + ([render_fidelity(run.fidelity, output_format)] if run.fidelity else [])


@pytest.mark.parametrize("make", RUNS)
@pytest.mark.parametrize("output_format", FORMATS)
def test_every_record_renders_without_none(make: Maker, output_format: str) -> None:
    for text in texts(make(), output_format):
        assert text.endswith("\n")
        assert "None" not in text


@pytest.mark.parametrize("make", RUNS)
@pytest.mark.parametrize("output_format", ["table", "markdown", "csv"])
def test_no_control_character_gets_through(make: Maker, output_format: str) -> None:
    for text in texts(make(), output_format):
        assert all(character.isprintable() or character == "\n" for character in text)


def test_unknown_format() -> None:
    with pytest.raises(UsageError, match="html, markdown, json, csv"):
        render_run(example_run.run(), "pdf")
    with pytest.raises(UsageError):
        render_plan(example_run.run().plan, "html")


def test_json_round_trips() -> None:
    run = example_run.run()
    assert files.decode(render_run(run, "json").encode(), Run, "report.json") == run
    assert files.decode(render_analysis(run.analysis, "json").encode(), Analysis, "a") == run.analysis
    assert files.decode(render_plan(run.plan, "json").encode(), Plan, "p") == run.plan
    assert files.decode(render_benchmark(run.benchmark, "json").encode(), Benchmark, "b") == run.benchmark
    assert files.decode(render_fidelity(example_run.fidelity(), "json").encode(), Fidelity, "f") == run.fidelity


def cells(line: str) -> int:
    """Cells of a row as GitHub splits it: at each pipe without a backslash before it."""
    return len(re.split(r"(?<!\\)\|", line.strip()[1:-1]))


@pytest.mark.parametrize("make", RUNS)
def test_markdown_tables_keep_their_columns(make: Maker) -> None:
    for text in texts(make(), "markdown"):
        for block in text.split("\n\n"):
            rows = [line for line in block.splitlines() if line.startswith("|")]
            assert len({cells(row) for row in rows}) <= 1
            assert not rows or re.fullmatch(r"\|( -+:? \|)+", rows[1])


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert attrs == []
        self.found.add(tag)


def test_markdown_holds_no_markup_from_names() -> None:
    for text in texts(hostile.run(), "markdown"):
        assert Tags(text).found <= {"details", "summary", "code"}
        outside_code = re.sub(r"`[^`\n]*`", "", text)
        assert not re.search(r"(?<!\\)!\[|(?<!\\)\]\(|https?://|@everyone", outside_code)
        assert "```" not in text


def test_markdown_of_a_run_leads_with_the_verdict() -> None:
    text = render_run(example_run.run(), "markdown")
    assert text.index("> Worth it") < text.index("| median latency") < text.index("<details>")
    assert text.count("<details>") == text.count("</details>") == 5


def test_terminal_colours_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    analysis = example_run.analysis()
    assert "\x1b" not in render_analysis(analysis, "table")
    coloured = render_analysis(analysis, "table", color=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == render_analysis(analysis, "table").split()


def test_terminal_keeps_to_eighty_columns() -> None:
    lines = render_analysis(example_run.analysis(), "table", width=80).splitlines()
    assert max(map(len, lines)) <= 80


def test_analysis_table_says_what_an_engineer_asks() -> None:
    text = render_analysis(example_run.analysis(), "table", width=140)
    assert "MACs are multiply-accumulates of one inference at the input shapes stated" in text
    assert "What to convert first" in text
    assert candidates(example_run.analysis())[0].name in text.split("What to convert first")[1].splitlines()[3]
    for words in ("64x64x3x3", "r2 25% 39 (27)", "too-few-channels", "GlobalAveragePool", "batch-assumed"):
        assert words in text


def test_analysis_csv_is_tidy() -> None:
    analysis = example_run.analysis()
    frame = pandas.read_csv(StringIO(render_analysis(analysis, "csv")))
    assert len(frame) == sum(max(1, len(conv.forms)) for conv in analysis.convs)
    assert frame.groupby("name")["macs"].first().sum() == analysis.totals.conv_macs
    assert frame.loc[frame["form"].isna(), "name"].tolist() == ["/stem/Conv", "/layer2/layer2.0/downsample/Conv"]


def test_run_csv_has_one_row_a_layer() -> None:
    frame = pandas.read_csv(StringIO(render_run(example_run.run(), "csv")))
    assert frame["name"].tolist() == [row.name for row in example_run.ROWS]
    assert frame["form"].notna().sum() == len(example_run.PLANNED)
    assert frame["reason_kept"].notna().sum() == 3
    assert frame["macs_after"].sum() < frame["macs_before"].sum()


def test_what_is_refitted_is_said_in_words() -> None:
    run = example_run.refitted_run()
    for output_format in ("table", "markdown"):
        text = render_plan(run.plan, output_format)
        assert "9 convs replaced, 1 kept dense, refitted, 2 kept" in text
        assert "Kept dense, refitted" in text
    for output_format in ("html", "markdown"):
        text = render_run(run, output_format)
        assert "9 of 12 replaced, 1 kept dense, refitted" in text
        assert text.count("kept dense, refitted") > 1
    frame = pandas.read_csv(StringIO(render_run(run, "csv")))
    assert frame.loc[frame["form"] == "dense", "name"].tolist() == [example_run.ROWS[3].name]


def test_benchmark_plan_and_fidelity_csv() -> None:
    run = example_run.run()
    times = pandas.read_csv(StringIO(render_benchmark(run.benchmark, "csv")))
    assert times["speedup"].dropna().tolist() == [2.114, 1.69] * 3
    assert times["batch"].fillna(0).tolist() == [0] * 3 + [8] * 3 + [32] * 3
    assert times["per_second"].isna().tolist() == [True] * 3 + [False] * 6
    assert {"p90_ms", "p95_ms"} <= set(times.columns)
    plan = pandas.read_csv(StringIO(render_plan(run.plan, "csv")))
    assert len(plan) == len(run.plan.layers) + len(run.plan.kept)
    outputs = pandas.read_csv(StringIO(render_fidelity(example_run.fidelity(), "csv")))
    assert outputs["kind"].tolist() == ["output", "output", "metric"]


def test_csv_runs_nothing_and_keeps_rows() -> None:
    frame = pandas.read_csv(StringIO(render_run(hostile.run(), "csv")))
    assert len(frame) == len(hostile.NAMES)
    assert "'=HYPERLINK(1)" in frame["name"].tolist()
    assert not frame["name"].str.startswith(("=", "+", "-", "@")).any()


def test_import_is_light() -> None:
    program = "import sys, convprof.reporting; print([n for n in ('rich', 'jinja2', 'pandas') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("output_format", ["table", "markdown"])
def test_a_benchmark_tells_of_its_floor_its_limits_and_its_processes(output_format: str) -> None:
    bare = example_run.benchmark()
    told = msgspec.structs.replace(
        bare,
        processes=(ProcessRounds(100, 5), ProcessRounds(140, 10)),
        twin=bare.models[0],
        floor=Comparison(0, 0, 1.0, (0.99, 1.01), 0.95, "no-measurable-difference"),
        gates=(Gate("fail-if-slower-than", 1, 1.5, "times", 2.114, (2.071, 2.158), "passed", "2.114 times"),),
    )
    text = render_benchmark(told, output_format)
    for expected in ("noise floor", "fail-if-slower-than 1.5", "240 rounds in 2 processes, 15 before", "113 MiB"):
        assert expected in text
        assert expected == "113 MiB" or expected not in render_benchmark(bare, output_format)
    assert text.index("fail-if-slower-than 1.5") < text.index("median")


@pytest.mark.parametrize("output_format", ["table", "markdown", "html"])
def test_a_benchmark_tells_of_throughput_machine_and_options(output_format: str) -> None:
    told = example_run.benchmark()
    text = render_benchmark(told, output_format, width=200)
    for expected in (
        "Throughput",
        wording.significant(told.throughput[0].models[1].per_second, 4),
        "at batch 8, the middle half",
        "session.intra_op.allow_spinning=0",
        "1 physical, 2 logical cores, 2 usable, the time of 1.5 at most",
        "governor performance, turbo off",
        "--batch 8,32",
        "0.31, 0.20, 0.10 over 1, 5 and 15 minutes",
    ):
        assert expected in text.replace("\\_", "_")
    bare = msgspec.structs.replace(told, throughput=(), machine=None, command="")
    text = render_benchmark(bare, output_format, width=200)
    for absent in ("Throughput", "governor", "Memory", "Load before", "Reproduce", "How to reproduce"):
        assert absent not in text


def test_a_benchmark_says_in_a_sentence_what_it_came_to() -> None:
    told = example_run.benchmark()
    best = "resnet12_imagenette.separable.onnx: faster, 2.11\N{MULTIPLICATION SIGN}"
    assert f"The fastest of 2 beside models/resnet12_imagenette.onnx: {best}" in render_benchmark(told, "html")
    pair = msgspec.structs.replace(told, comparisons=told.comparisons[:1])
    assert f"<p>{best}" in render_benchmark(pair, "html")
    alone = msgspec.structs.replace(told, models=told.models[:1], comparisons=())
    assert "1 model measured, and compared with no other." in render_benchmark(alone, "html")

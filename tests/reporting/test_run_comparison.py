"""What two runs differ in, and how that is told."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import example_run
import hostile
import msgspec
import pandas
import pytest

import convprof
from convprof.comparing import compare
from convprof.errors import DataError
from convprof.files import write_text
from convprof.records import files
from convprof.records.comparison import RunComparison
from convprof.records.plan import KeptLayer
from convprof.records.run import Run
from convprof.reporting import FORMATS, render_comparison, render_run

replace = msgspec.structs.replace
PATHS = ("monday", "tuesday")


def other_run() -> Run:
    """The example a day later: one rank changed, one layer given up, one kept for another reason, and faster."""
    run = example_run.run()
    first, second, *rest = run.plan.layers
    assert run.fidelity is not None
    assert run.fidelity.metric is not None
    kept = [replace(each, reason=example_run.NOT_WORTH) for each in run.plan.kept[:1]] + list(run.plan.kept[1:])
    return replace(
        run,
        plan=replace(
            run.plan,
            layers=(replace(first, rank=(3,)), *rest),
            kept=(*kept, KeptLayer(second.name, example_run.NOT_WORTH)),
        ),
        verdict=replace(run.verdict, speedup=2.4, interval=(2.3, 2.5)),
        fidelity=replace(run.fidelity, metric=replace(run.fidelity.metric, after=0.8511, difference=-0.0161)),
        stages=(*run.stages[1:], *run.stages[-1:]),
    )


def moved(run: Run, **changes: str | int | dict[str, str]) -> Run:
    """The run, measured elsewhere."""
    environment = replace(run.benchmark.environment, **changes)
    return replace(run, benchmark=replace(run.benchmark, environment=environment))


def test_a_run_against_itself_differs_in_nothing() -> None:
    found = compare(example_run.run(), example_run.run(), PATHS)
    assert (found.environment, found.layers, found.refusals, found.notices) == ((), (), (), ())
    assert found.times_comparable
    assert found.speedups == "overlap"
    assert replace(found.first, path="") == replace(found.second, path="")
    assert "The plans are the same" in render_comparison(found, "table")


def test_what_changed_is_found() -> None:
    found = compare(example_run.run(), other_run(), PATHS)
    changed, dropped = found.layers
    assert [each and each.planned and each.planned.rank for each in (changed.first, changed.second)] == [(2,), (3,)]
    assert dropped.first is not None
    assert dropped.first.planned is not None
    assert dropped.second is not None
    assert dropped.second.reason == example_run.NOT_WORTH
    assert [each.name for each in found.refusals] == [example_run.ROWS[0].name]
    assert found.speedups == "second-higher"
    assert compare(other_run(), example_run.run(), PATHS).speedups == "first-higher"
    stages = {each.name: (each.first, each.second) for each in found.stages}
    assert stages["analysis"] == (0.8, None)
    assert stages["benchmarking"] == (38.0, 76.0)


def test_what_forbids_to_compare_times_is_said_first() -> None:
    found = compare(example_run.run(), moved(other_run(), cpu="another", threads=4), PATHS)
    assert not found.times_comparable
    assert [each.name for each in found.environment] == ["cpu", "threads"]
    for output_format in ("table", "markdown"):
        text = render_comparison(found, output_format)
        assert text.index("neither times nor speed-ups compare") < text.index("Measured on") < text.index("verdict")
        assert "speed-up is higher" not in text
        assert text.count("not comparable") == 3


def test_what_was_asked_is_shown_where_it_differs() -> None:
    run = example_run.run()
    other = replace(run, command="convprof optimize other.onnx --max-drop 2 -o runs/other")
    assert "--max-drop 2" in render_comparison(compare(run, other, PATHS), "table")
    assert "convprof optimize" not in render_comparison(compare(run, run, PATHS), "table")


def test_versions_that_take_no_part_in_times_are_only_listed() -> None:
    found = compare(example_run.run(), moved(example_run.run(), numpy="3.0", convprof="0.2.0"), PATHS)
    assert [each.name for each in found.environment] == ["numpy", "convprof"]
    assert found.times_comparable


def test_runs_of_other_files_are_compared_by_name_and_said_to_be() -> None:
    run = example_run.run()
    other = replace(run, analysis=replace(run.analysis, model=replace(run.analysis.model, sha256="00")))
    assert [each.code for each in compare(run, other, PATHS).notices] == ["other-model"]
    fewer = replace(
        other, analysis=replace(other.analysis, convs=other.analysis.convs[1:]), plan=replace(other.plan, kept=())
    )
    (gone,) = [each for each in compare(run, fewer, PATHS).layers if each.second is None]
    assert gone.name == example_run.ROWS[0].name
    assert "no such conv" in render_comparison(compare(run, fewer, PATHS), "table")


def test_runs_that_share_no_conv_are_refused() -> None:
    other = hostile.run()
    other = replace(other, analysis=replace(other.analysis, model=replace(other.analysis.model, sha256="00")))
    with pytest.raises(DataError, match="tuesday: it is of another model than monday"):
        compare(example_run.run(), other, PATHS)


def test_other_data_and_other_judging_are_noticed() -> None:
    run = example_run.run()
    assert run.fidelity is not None
    assert run.fidelity.metric is not None
    fewer = replace(run, fidelity=replace(run.fidelity, samples=10))
    assert [each.code for each in compare(run, fewer, PATHS).notices] == ["other-judging"]
    assert [each.code for each in compare(run, replace(run, fidelity=None), PATHS).notices] == ["other-judging"]
    harder = replace(run, fidelity=replace(run.fidelity, metric=replace(run.fidelity.metric, before=0.5)))
    assert [each.code for each in compare(run, harder, PATHS).notices] == ["other-data"]


def hostile_comparison() -> RunComparison:
    """Names, paths and environments that try to be more than that, and decisions that differ."""
    run = hostile.run()
    bare = replace(run, plan=replace(run.plan, layers=()), fidelity=None)
    return compare(run, moved(bare, os=hostile.NAMES[9], cpu=hostile.NAMES[0]), (hostile.NAMES[7], hostile.NAMES[8]))


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_format_renders_and_lets_nothing_through(output_format: str) -> None:
    for found in (
        hostile_comparison(),
        compare(example_run.run(), other_run(), PATHS),
        compare(example_run.bare_run(), example_run.refitted_run(), PATHS),
    ):
        text = render_comparison(found, output_format)
        assert text.endswith("\n")
        assert "None" not in text
        if output_format == "json":
            assert files.decode(text.encode(), RunComparison, "a file") == found
            continue
        assert all(character.isprintable() or character == "\n" for character in text)


def test_markdown_holds_no_markup_from_names() -> None:
    text = render_comparison(hostile_comparison(), "markdown")
    assert not re.search(r"<(?!/?(details|summary|code)>)\w", text)
    assert "@everyone" not in re.sub(r"`[^`\n]*`", "", text)


def test_csv_has_a_row_a_difference_and_a_figure() -> None:
    frame = pandas.read_csv(StringIO(render_comparison(compare(example_run.run(), other_run(), PATHS), "csv")))
    assert list(frame.columns) == ["kind", "name", "first", "second"]
    assert set(frame["kind"]) == {"figure", "layer", "refusal", "stage"}
    speedup = frame[frame["name"] == "speedup"].iloc[0]
    assert (float(speedup["first"]), float(speedup["second"])) == (2.114, 2.4)


def test_the_verb_takes_folders_and_files(tmp_path: Path) -> None:
    for name, run in (("a", example_run.run()), ("b", other_run())):
        write_text(tmp_path / name / "report.json", render_run(run, "json"))
    found = convprof.compare(tmp_path / "a", tmp_path / "b" / "report.json")
    assert (len(found.layers), len(found.refusals)) == (2, 1)
    with pytest.raises(DataError):
        convprof.compare(tmp_path / "a", tmp_path)


def test_runs_with_other_session_options_do_not_compare_in_time() -> None:
    without = moved(example_run.run(), session_options={})
    found = compare(without, example_run.run(), PATHS)
    assert not found.times_comparable
    assert [(each.name, each.first, each.second) for each in found.environment] == [
        ("session_options", "none", "session.intra_op.allow_spinning=0")
    ]

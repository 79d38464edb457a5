"""Every way to tell a planning, whatever is missing from it and whatever its names try."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO

import example_planning
import example_run
import msgspec
import pandas
import pytest
from test_formats import Tags, cells
from test_page import TAGS, Page, pinned_script

from convprof.errors import UsageError
from convprof.records import files
from convprof.records.plan import Budget
from convprof.records.planning import Planning
from convprof.reporting import render_plan, render_planning, render_run, wording
from convprof.reporting.expectation import lead
from convprof.reporting.losses import loss_of
from convprof.reporting.views.plan import budget
from convprof.reporting.views.planning import checked

Maker = Callable[[], Planning]
MAKERS: tuple[Maker, ...] = (
    example_planning.searched,
    example_planning.swept,
    example_planning.bare,
    example_planning.by_macs,
    example_planning.nothing,
    example_planning.no_faster,
    example_planning.spoiled,
)


@pytest.mark.parametrize("make", MAKERS)
def test_texts_are_whole_and_safe(make: Maker) -> None:
    planning = make()
    for output_format in ("table", "markdown", "csv"):
        text = render_planning(planning, output_format)
        assert text.endswith("\n")
        assert all(character.isprintable() or character == "\n" for character in text)
        assert not re.search(r"\b(None|nan|inf)\b", text)


@pytest.mark.parametrize("make", MAKERS)
def test_page_is_self_contained_and_safe(make: Maker) -> None:
    page = render_planning(make(), "html")
    parsed = Page(page)
    assert set(parsed.tags) <= TAGS
    names = {name for name, _ in parsed.attributes}
    assert not [name for name in names if name.startswith("on")]
    assert not names & {"src", "srcset", "action", "background", "poster", "xlink:href"}
    anchors = {value for name, value in parsed.attributes if name == "id"}
    assert {(value or "").removeprefix("#") for name, value in parsed.attributes if name == "href"} <= anchors
    assert pinned_script(page)
    words = {word.strip(".,;:()%") for text in parsed.texts for word in text.split()}
    assert not words & {"None", "nan", "NaN", "inf"}


def test_json_round_trips() -> None:
    planning = example_planning.searched()
    text = render_planning(planning, "json")
    assert files.decode(text.encode(), Planning, "planning.json") == planning
    with pytest.raises(UsageError):
        render_planning(planning, "pdf")


def test_the_first_lines_say_what_to_expect() -> None:
    head = render_planning(example_planning.searched(), "table", width=200).split("\n\n")[0].splitlines()
    assert head[1] == (
        "Worth carrying out: 6 of 12 convs replaced, measured 54.4 % (95 % interval 53.2 % to 55.8 %) of the dense "
        "model's time, predicted 51.4 %."
    )
    facts = dict(line.split(": ", 1) for line in head[2:])
    assert facts["Decided"] == "6 convs replaced, 1 kept dense, refitted, 5 kept"
    assert facts["Budget"] == "at most a loss of top1 of 1.00 points"
    assert facts["Time, predicted"] == "51.4 % of the dense model's, 9.45 ms"
    assert facts["Time, measured"].startswith("54.4 % (95 % interval 53.2 % to 55.8 %) of the dense model's: 10.0 ms")
    assert facts["MACs"] == "401 M (39.4 % of the dense model's)"
    assert facts["Parameters"] == "2.88 M (45.0 % of the dense model's)"
    assert facts["Damage, predicted"].startswith("0.0838 (summed errors of the layers, weighed")
    assert facts["Optimality gap"] == "none: no choice does less"
    assert facts["Found"] == "by a search of 4 rounds, 2 of them good enough"


def test_nothing_worth_it_is_said_with_its_reason() -> None:
    slow, empty = example_planning.no_faster(), example_planning.nothing()
    good = example_planning.searched()
    assert lead(slow).startswith("Nothing worth it: the plan takes 100.5 % (95 % interval 99.0 % to 102.0 %)")
    assert lead(empty) == "Nothing worth it: no conv has a candidate that is measurably faster than itself."
    assert "no reason is recorded" in lead(msgspec.structs.replace(good, worth_it=False, notices=()))
    assert "no conv is to be changed" in lead(msgspec.structs.replace(empty, notices=()))
    assert "Nothing worth it" in render_planning(slow, "html")


def test_tables_of_a_search() -> None:
    text = render_planning(example_planning.searched(), "table", width=200)
    for line in (
        r"/layer4/layer4.0/conv3/Conv +kept dense, refitted +{dash} +{dash} +2.60 ms +2.60 ms +100.0 %",
        r"/layer1/layer1.0/conv1/Conv +depthwise-pointwise +10 +sum +0.600 ms +0.200 ms +33.3 %",
        r"/stem/Conv +no-faster-form +no candidate",
        r"2 +40.8 % +0.262 +19.30 points +no",
        r"9 \(chosen\) +6 +51.4 % +54.4 % \(53.2 % to 55.8 %\) +39.4 % +45.0 % +0.0838 +0.94 points",
        r"on 7 whole models: .* by {minus}5.2 % to {minus}0.8 %, {minus}5.2 % for the dense model",
    ):
        pattern = line.replace("{dash}", wording.UNKNOWN).replace("{minus}", wording.MINUS)
        assert re.search(pattern, text), line
    assert "beyond its profiled kernel, 4.2 \N{MICRO SIGN}s, is in each" in text
    assert "noisy-prices" in text


def test_a_chosen_plan_beside_the_front_has_a_row_of_its_own() -> None:
    text = render_planning(example_planning.swept(), "table", width=200)
    assert re.search(r"^chosen +6 +50.1 % ", text, re.MULTILINE)
    assert "(chosen)" not in text
    assert "Rounds of the search" not in text


def test_csv_has_one_row_a_conv() -> None:
    frame = pandas.read_csv(StringIO(render_planning(example_planning.searched(), "csv")))
    assert sorted(frame["name"]) == sorted(row.name for row in example_run.ROWS)
    assert frame["reason_code"].notna().sum() == 5
    assert frame["after_ms"].sum() < frame.loc[frame["form"].notna(), "before_ms"].sum()
    bare = pandas.read_csv(StringIO(render_planning(example_planning.bare(), "csv")))
    assert bare["before_ms"].isna().all()


def test_markdown_holds_no_markup_from_names() -> None:
    text = render_planning(example_planning.spoiled(), "markdown")
    assert Tags(text).found <= {"details", "summary", "code"}
    outside_code = re.sub(r"`[^`\n]*`", "", text)
    assert not re.search(r"(?<!\\)!\[|(?<!\\)\]\(|https?://|@everyone", outside_code)
    for block in text.split("\n\n"):
        assert len({cells(row) for row in block.splitlines() if row.startswith("|")}) <= 1
    assert "'=HYPERLINK(1)" in render_planning(example_planning.spoiled(), "csv")


def test_hostile_names_are_shown_on_the_page() -> None:
    page = render_planning(example_planning.spoiled(), "html")
    assert "&lt;script&gt;alert(1)" in page
    assert pinned_script(page)
    assert all(character.isprintable() or character == "\n" for character in page)


def test_the_check_of_prices_is_folded() -> None:
    planning = example_planning.searched()
    row = r"\| `dense` \| 31 \| 15.9 ms \| 1.40 ms \| 0.0200 ms \| 0.130 ms \| 18.4 ms \| {minus}5.2 % \|"
    assert re.search(row.replace("{minus}", wording.MINUS), render_planning(planning, "markdown"))
    assert "Check of the prices" not in render_planning(planning, "table")
    for output_format in ("html", "markdown"):
        folded = render_planning(planning, output_format).split("<details")[-1].split("</details>")[0]
        assert "Check of the prices" in folded
        assert "depthwise-pointwise sum 6" in folded


def test_a_run_tells_how_its_plan_was_found() -> None:
    run = msgspec.structs.replace(example_run.run(), planning=example_planning.searched())
    table, markdown, page = (render_run(run, each) for each in ("table", "markdown", "html"))
    assert "Plan found: by a search of 4 rounds, 2 of them good enough; measured 54.4 %" in table.replace("\n", " ")
    assert "Check of the prices" not in table
    assert markdown.count("<details>") == 5 + 3
    for words in ("The plan and its rivals</h2>", "What plans lose, as measured</h3>", "Check of the prices"):
        assert words in page
    assert '<a href="#rivals">' in page


def test_a_run_without_planning_is_silent_about_it() -> None:
    run = example_run.run()
    assert run.planning is None
    for output_format in ("table", "markdown", "html"):
        text = render_run(run, output_format)
        assert "rivals" not in text
        assert "Plan found" not in text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Budget(), "none given"),
        (Budget(target_latency=0.5), "at most 50.0 % of the dense model's time"),
        (
            Budget(target_macs=0.25, target_params=0.3, target_latency_ms=12),
            "at most 25.0 % of the dense model's MACs and 30.0 % of the dense model's parameters and 12.0 ms "
            "an inference",
        ),
        (
            Budget(max_drop=1.5),
            "at most a loss of 1.50 of the metric (points for shares, dB for psnr, else its own unit)",
        ),
        (Budget(min_sqnr=20), "every output at least 20.0 dB above its error"),
    ],
)
def test_budgets_in_words(asked: Budget, words: str) -> None:
    assert budget(asked) == words


def test_a_plan_tells_its_prediction_and_its_measurement() -> None:
    text = render_plan(example_planning.searched().plan, "table", width=200)
    for words in ("Time, predicted: 51.4 %", "Time, measured: 54.4 %", "Damage, predicted: 0.0838", "a loss of 1.00"):
        assert words in text


def test_losses_are_those_that_the_budget_speaks_of() -> None:
    found = example_planning.fidelity(0.02)
    metric = loss_of([found], Budget(max_drop=1.0))
    distance = loss_of([found], Budget(min_sqnr=20.0))
    agreement = loss_of([msgspec.structs.replace(found, metric=None)], Budget())
    assert metric is not None
    assert distance is not None
    assert agreement is not None
    assert metric.amount(metric.of(found)) == "2.00 points"
    assert distance.limit == pytest.approx(0.1)
    assert distance.of(found) == pytest.approx(0.03)
    assert agreement.of(found) == pytest.approx(3.0)
    assert metric.of(None) is None
    assert loss_of([], Budget()) is None


def test_a_loss_of_nothing_has_no_sign() -> None:
    metric = loss_of([example_planning.fidelity(-0.00001)], Budget())
    assert metric is not None
    assert metric.amount(-0.001) == metric.amount(0.0) == "0.00 points"


def test_providers_without_times_of_layers_have_nothing_to_check() -> None:
    table = example_planning.searched().prices
    assert table is not None
    silent = msgspec.structs.replace(
        table, probes=tuple(msgspec.structs.replace(each, layers=0.0) for each in table.probes)
    )
    assert checked(silent) == checked(None) == ""


def test_a_loss_that_is_not_a_number_is_not_known() -> None:
    found = example_planning.fidelity(0.02)
    output = msgspec.structs.replace(found.outputs[0], relative_l2=None, top1_agreement=None)
    broken = msgspec.structs.replace(found, metric=None, outputs=(*found.outputs, output))
    distance = loss_of([broken], Budget(min_sqnr=20.0))
    assert distance is not None
    assert distance.of(broken) is None
    assert distance.amount(None) == "\N{EN DASH}"

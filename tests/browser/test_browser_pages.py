"""Every kind of page as a reader has it: on a screen, a phone and paper, in the light and the dark, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import example_pictures
import example_planning
import example_run
import hostile
import msgspec
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser.window import Window
from convprof.records.gates import Gate
from convprof.records.run import Run
from convprof.reporting import pages, render_analysis, render_benchmark, render_planning, render_run, wording

PHONE = 390
PAPER = 718  # A4 without margins of a centimetre, in CSS pixels
READABLE = 4.5  # WCAG 2.2, level AA, for text of any size


GATES = (
    Gate("fail-if-slower-than", 1, 1.5, "times", 2.114, (2.071, 2.158), "passed", "2.114 times as fast"),
    Gate("fail-if-drop-above", 1, 0.5, "points", 0.6, (0.1, 1.1), "inconclusive", "a loss of 0.6 points may be less"),
    Gate("fail-if-params-above", 1, 1000, "parameters", 1200, None, "failed", "1,200 parameters"),
)


def full_run() -> Run:
    return msgspec.structs.replace(example_run.run(), planning=example_planning.searched(), gates=GATES)


PAGES: dict[str, Callable[[], str]] = {
    "report": lambda: render_run(full_run(), "html", pictures=example_pictures.pictures()),
    "report-bare": lambda: render_run(example_run.bare_run(), "html"),
    "report-hostile": lambda: render_run(hostile.run(), "html"),
    "plan": lambda: render_planning(example_planning.swept(), "html"),
    "plan-nothing": lambda: render_planning(example_planning.nothing(), "html"),
    "plan-hostile": lambda: render_planning(example_planning.spoiled(), "html"),
    "benchmark": lambda: render_benchmark(msgspec.structs.replace(example_run.benchmark(), gates=GATES[:1]), "html"),
    "analysis": lambda: render_analysis(example_run.analysis(), "html"),
    "analysis-bare": lambda: render_analysis(example_run.bare_run().analysis, "html"),
}


def stored(text: str, folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(params=PAGES)
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return stored(PAGES[request.param](), tmp_path)


def test_every_kind_of_page_is_among_them() -> None:
    brands = {re.search(r'class="brand">convprof [^,<]*([^<]*)<', make()) for make in PAGES.values()}
    assert len({found[1] for found in brands if found}) == len(pages.PAGES)


def test_pages_open_quietly_and_ask_for_nothing(window: Window, shown: Path) -> None:
    window.open(shown)
    assert window.complaints() == []
    assert [url for url in window.requests() if not url.startswith("data:")] == [shown.as_uri()]
    assert window.unnamed() == []


def test_complaints_are_heard(window: Window, tmp_path: Path) -> None:
    """The test above could not fail without this."""
    broken = '</h1><img src="https://evil.example/x.png"><script>alert(1)</script>'
    window.open(stored(PAGES["report"]().replace("</h1>", broken, 1), tmp_path))
    complaints = window.complaints()
    assert {"img-src", "script-src-elem"} <= set(complaints)
    assert len(complaints) > 2
    assert window.unnamed() != []


@pytest.mark.parametrize("width", [1280, PHONE])
def test_nothing_stands_beyond_the_edge(window: Window, shown: Path, width: int) -> None:
    window.open(shown, width=width)
    assert window.outside() == []
    assert window.run("return document.scrollingElement.scrollWidth") <= width


def test_texts_stand_out_in_the_light_and_in_the_dark(window: Window, shown: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        window.open(shown, scheme=scheme)
        grounds.append(window.run("return getComputedStyle(document.body).backgroundColor"))
        contrasts = window.contrasts()
        assert len(contrasts) > 30
        assert [each for each in contrasts if each.ratio < READABLE] == []
    assert grounds[0] != grounds[1]


def test_paper_holds_all_of_a_page(window: Window, shown: Path) -> None:
    window.open(shown, width=PAPER, medium="print")
    assert window.outside() == []
    assert window.run("return document.scrollingElement.scrollWidth") <= PAPER
    hidden = "return [...document.querySelectorAll('td, .line')].filter((each) => !each.checkVisibility()).length"
    assert window.run(hidden) == 0
    assert len(re.findall(rb"/Type\s*/Page\b", window.printed())) > 0


COLUMN = """
const [table, at] = arguments;
return [...table.tBodies[0].rows].map((row) => row.cells[at].textContent.trim());
"""
STATES = "return [...arguments[0].tHead.rows[0].cells].map((head) => head.getAttribute('aria-sort'))"
# Presses each heading of each table three times: its label, and after each press all states and the column's values.
PRESSED = """
const value = (cell) => cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
return [...document.querySelectorAll("table.sortable")].flatMap((table) => {
  const heads = [...table.tHead.rows[0].cells];
  const column = (at) => [...table.tBodies[0].rows].map((row) => value(row.cells[at]));
  const press = (head, at) => {
    head.querySelector("button").click();
    return [heads.map((each) => each.getAttribute("aria-sort")), column(at)];
  };
  return heads.filter((head) => head.querySelector("button")).map((head) => {
    const at = heads.indexOf(head);
    return [at, column(at), press(head, at), press(head, at), press(head, at)];
  });
});
"""


def natural(value: float | str) -> tuple[object, ...]:
    """Digits within a text count as the number that they are."""
    if not isinstance(value, str):
        return (value,)
    return tuple(int(each) if each.isdigit() else each.lower() for each in re.split(r"(\d+)", value))


def in_order(column: list[float | str], direction: str) -> bool:
    """What is not known last, and the rest as its kind is ordered; collation of punctuation is the browser's own."""
    known = [each for each in column if each not in ("", wording.UNKNOWN)]
    if column[: len(known)] != known:
        return False
    numbers = [each for each in known if not isinstance(each, str)]
    if len(numbers) == len(known):
        return numbers == sorted(numbers, reverse=direction == "descending")
    words = [natural(each) for each in known if isinstance(each, str) and re.fullmatch(r"[\w ]+", each)]
    return words == sorted(words, reverse=direction == "descending")


def test_tables_sort_by_every_heading(window: Window, shown: Path) -> None:
    window.open(shown)
    pressed = window.run(PRESSED)
    assert len(pressed) == len(window.chrome.find_elements(By.CSS_SELECTOR, "table.sortable thead th"))
    for at, as_written, *turns, last in pressed:
        assert sorted(states[at] for states, _ in turns) == ["ascending", "descending"]
        for states, column in turns:
            assert states.count(None) == len(states) - 1
            assert in_order(column, states[at])
        assert last == [[None] * len(states), as_written]


@pytest.mark.parametrize("key", [Keys.ENTER, Keys.SPACE])
def test_tables_sort_by_keyboard(window: Window, tmp_path: Path, key: str) -> None:
    window.open(stored(PAGES["report"](), tmp_path))
    for table in window.chrome.find_elements(By.CSS_SELECTOR, "#speed table.sortable, #layers table.sortable"):
        first = table.find_element(By.CSS_SELECTOR, "thead button")
        first.send_keys(key)
        assert window.run(STATES, table)[0] == "ascending"
        names = window.run(COLUMN, table, 0)
        assert all(before.lower() <= after.lower() for before, after in pairwise(names))
        assert window.run("return document.activeElement === arguments[0]", first)
        first.send_keys(Keys.TAB)
        window.chrome.switch_to.active_element.send_keys(key)
        assert window.run(STATES, table)[0] is None
        assert window.run(STATES, table)[1] is not None


def test_headings_sort_by_value_and_what_is_unknown_comes_last(window: Window, tmp_path: Path) -> None:
    """By value, not by what is written: 2e-9 is the smallest error, and 57.8 M come before 116 M."""
    run, replace = hostile.run(), msgspec.structs.replace
    small, unknown, *rest = run.fits
    run = replace(run, fits=(replace(small, error=2e-9), replace(unknown, error=None), *rest))
    window.open(stored(render_run(run, "html"), tmp_path))
    (table,) = (
        each for each in window.chrome.find_elements(By.CSS_SELECTOR, "table.sortable") if "output error" in each.text
    )
    heads = table.find_elements(By.CSS_SELECTOR, "thead button")

    def press(at: int) -> list[str]:
        heads[at].click()
        cells = table.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({at + 1})")
        return [str(each.text) for each in cells]

    macs = sorted((each.macs_before for each in run.layers), reverse=True)
    assert press(2) == [wording.quantity(each) for each in macs]
    assert press(2) == [wording.quantity(each) for each in reversed(macs)]
    assert press(2) == [wording.quantity(each.macs_before) for each in run.layers]
    errors = sorted(each.error for each in run.fits if each.error is not None)
    missing = [wording.UNKNOWN] * (len(run.layers) - len(errors))
    assert press(9) == [*map(wording.significant, reversed(errors)), *missing]
    assert press(9) == [*map(wording.significant, errors), *missing]

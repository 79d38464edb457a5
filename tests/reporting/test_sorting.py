"""The tables of a page sorted in a real browser, under the page's own policy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path

import example_run
import hostile
import msgspec
import pytest
from test_page import pinned_script

from convprof.records.run import Run
from convprof.reporting import render_run, wording

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = """
const table = [...document.querySelectorAll("table")].find((each) => each.textContent.includes("output error"));
const column = (at) => [...table.tBodies[0].rows].map((row) => row.cells[at].textContent.trim());
const heads = [...table.tHead.rows[0].cells];
const state = (at) => [column(at), heads.map((head) => head.getAttribute("aria-sort"))];
const told = { buttons: heads.map((head) => head.firstChild.tagName), asWritten: column(0) };
const press = (at) => { heads[at].querySelector("button").click(); return state(at); };
told.macs = [press(2), press(2), press(2)];
told.names = [press(0), press(0)];
told.errors = [press(9), press(9)];
const out = document.createElement("pre");
out.id = "told";
out.textContent = JSON.stringify(told);
document.body.append(out);
"""


def test_numbers_remember_what_they_tell() -> None:
    page = render_run(example_run.run(), "html")
    macs = {str(float(each.macs or 0)) for each in example_run.analysis().convs}
    told = {str(float(value)) for value in re.findall(r'data-value="([^"]+)"', page)}
    assert macs <= told
    assert wording.amount("many", float("nan")) == "many"
    assert not hasattr(wording.amount("many", float("inf")), "value")
    assert not hasattr(wording.percent(float("nan")), "value")


def test_without_a_script_the_heads_are_plain() -> None:
    page = render_run(example_run.run(), "html")
    assert "<button" not in page
    assert "aria-sort=" not in page.replace(pinned_script(page), "").partition("<body>")[2]


def driven(page: str, folder: Path) -> dict[str, list[list[list[str]]]]:
    """What the driver found in the page, which allows it by its hash beside its own script."""
    assert CHROMIUM is not None
    own = b64encode(sha256(DRIVER.encode()).digest()).decode()
    page = page.replace("script-src ", f"script-src 'sha256-{own}' ").replace(
        "</body>", f"<script>{DRIVER}</script></body>"
    )
    (folder / "page.html").write_text(page)
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    command = [CHROMIUM, *options, (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:]
    told: dict[str, list[list[list[str]]]] = json.loads(unescape(found[1]))
    return told


def sorted_run() -> Run:
    """The hostile run, one of its layers without an error that is known and one with a very small one."""
    run = hostile.run()
    small, unknown, *rest = run.fits
    replace = msgspec.structs.replace
    return replace(run, fits=(replace(small, error=2e-9), replace(unknown, error=None), *rest))


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_heads_sort_by_value_and_give_the_order_back(tmp_path: Path) -> None:
    run = sorted_run()
    told = driven(render_run(run, "html"), tmp_path)
    assert set(map(str, told["buttons"])) == {"BUTTON"}
    macs = sorted((each.macs_before for each in run.layers), reverse=True)
    (down, states), (up, _), (as_written, none) = told["macs"]
    assert down == [wording.quantity(each) for each in macs]
    assert states[2] == "descending"
    assert states.count("descending") == 1
    assert up == list(reversed(down))
    assert as_written == [wording.quantity(each.macs_before) for each in run.layers]
    assert set(none) == {None}
    (names, _), (reverse, _) = told["names"]
    assert names == list(reversed(reverse))
    assert sorted(names) == sorted(map(str, told["asWritten"]))
    errors = [each.error for each in run.fits if each.error is not None]
    missing = [wording.UNKNOWN] * (len(run.layers) - len(errors))
    assert told["errors"][0][0] == [*map(wording.significant, sorted(errors, reverse=True)), *missing]
    assert told["errors"][1][0] == [*map(wording.significant, sorted(errors)), *missing]

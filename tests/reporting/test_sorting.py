"""What the tables of a page carry so that they can be sorted; tests/browser sorts them."""

from __future__ import annotations

import re

import example_run
from test_page import pinned_script

from convprof.reporting import render_run, wording


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

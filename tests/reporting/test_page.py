from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser

import example_run
import hostile
import msgspec
import pytest

from convprof.records.analysis import FormOption
from convprof.records.run import Run
from convprof.reporting import render_analysis, render_benchmark, render_run
from convprof.reporting.candidates import candidates

VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}
TAGS = set(
    re.findall(
        r"\w+",
        """
        html head meta title style body header main section nav figure figcaption div p span strong em ul li dl dt dd
        h1 h2 h3 a code bdi pre table thead tbody tr th td details summary svg rect line circle script wbr
        """,
    )
)


class Page(HTMLParser):
    """Collects tags and attributes, and fails on a tag that is not closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


RUNS = {"example": example_run.run, "bare": example_run.bare_run, "hostile": hostile.run}
RENDERED: dict[str, Callable[[Run], str]] = {
    "run": lambda run: render_run(run, "html"),
    "analysis": lambda run: render_analysis(run.analysis, "html"),
    "benchmark": lambda run: render_benchmark(run.benchmark, "html"),
}


@pytest.fixture(params=RENDERED)
def render(request: pytest.FixtureRequest) -> Callable[[Run], str]:
    return RENDERED[request.param]


@pytest.fixture(params=RUNS)
def page(request: pytest.FixtureRequest, render: Callable[[Run], str]) -> str:
    return render(RUNS[request.param]())


def test_page_is_well_formed_and_self_contained(page: str) -> None:
    parsed = Page(page)
    assert set(parsed.tags) <= TAGS
    names = {name for name, _ in parsed.attributes}
    assert not [name for name in names if name.startswith("on")]
    assert not names & {"src", "srcset", "action", "background", "poster", "xlink:href"}
    assert all((value or "").startswith("#") for name, value in parsed.attributes if name == "href")
    assert "url(" not in page
    assert "@import" not in page


def pinned_script(page: str) -> str:
    """The page's only script, which is the only one that its policy allows."""
    assert page.lower().count("<script") == 1
    script = page[page.index("<script>") + len("<script>") : page.index("</script>")]
    (policy,) = [value for name, value in Page(page).attributes if name == "content" and "default-src" in (value or "")]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return script


def test_page_forbids_all_script_but_its_own_and_network(page: str) -> None:
    script = pinned_script(page)
    for word in ("fetch", "XMLHttpRequest", "import", "eval", "innerHTML", "http", "localStorage", "document.write"):
        assert word not in script


def test_no_none_nan_or_infinity_is_printed(page: str) -> None:
    words = {word.strip(".,;:()%") for text in Page(page).texts for word in text.split()}
    assert not words & {"None", "nan", "NaN", "inf"}


def test_hostile_names_are_shown_and_do_nothing(render: Callable[[Run], str]) -> None:
    page = render(hostile.run())
    assert "&lt;script&gt;alert(1)" in page
    assert "{{7*7}}" in page
    assert "49" not in {text.strip() for text in Page(page).texts}
    assert all(character.isprintable() or character == "\n" for character in page)
    assert "\\x1b[31m" in page
    assert "\\u202e" in page


def test_outcome_is_told_first() -> None:
    page = render_run(example_run.run(), "html")
    head = page[: page.index("<main>")]
    for words in ("Worth it", "2.11\N{MULTIPLICATION SIGN}", "faster", "0.8672", "n = 3,925", "MACs", "parameters"):
        assert words in head


def test_what_is_not_known_is_said() -> None:
    page = render_run(example_run.bare_run(), "html")
    assert "not verified" in page
    assert "Not judged" in page
    assert "No layer was profiled" in page
    assert "No kernel energies" in page
    assert "output errors were not measured" in page
    assert "moved from layer to layer was not measured" in page


def test_metric_is_optional() -> None:
    run = example_run.run()
    assert run.fidelity is not None
    fidelity = msgspec.structs.replace(run.fidelity, metric=None)
    page = render_run(msgspec.structs.replace(run, fidelity=fidelity), "html")
    assert "top-1 agreement with the original" in page
    assert "no metric was given" in page


def test_every_chart_is_there() -> None:
    page = render_run(example_run.run(), "html")
    for title in ("Every measurement", "Time by layer", "Output error by layer", "Work by layer"):
        assert f"<h3>{title}</h3>" in page
    assert page.count('class="energy"') == 3 + 1  # the samples are folded like the kernels of each form


def empty_run() -> Run:
    """A run of a model without any convolution."""
    replace = msgspec.structs.replace
    bare = example_run.bare_run()
    totals = replace(bare.analysis.totals, convs=0, eligible_convs=0)
    analysis = replace(bare.analysis, convs=(), inputs=(), totals=totals)
    benchmark = replace(bare.benchmark, models=())
    return replace(bare, analysis=analysis, plan=replace(bare.plan, layers=()), layers=(), fits=(), benchmark=benchmark)


@pytest.mark.parametrize("output_format", ["html", "markdown", "csv", "table"])
def test_model_without_convolutions(output_format: str) -> None:
    assert render_run(empty_run(), output_format)


def test_comparison_of_models_that_are_not_there() -> None:
    run = example_run.run()
    replace = msgspec.structs.replace
    comparisons = tuple(replace(each, baseline=7, candidate=-3) for each in run.benchmark.comparisons)
    page = render_run(replace(run, benchmark=replace(run.benchmark, comparisons=comparisons)), "html")
    assert "medians not recorded" in page


def test_page_of_a_model_says_where_to_begin() -> None:
    analysis = example_run.analysis()
    page = render_analysis(analysis, "html")
    best = candidates(analysis)[0]
    head = page[: page.index("<main>")]
    for words in ("10 of 12 convolutions can be replaced", "88.7 %", f"Begin with {best.name}."):
        assert words in head
    assert page.index('id="first"') < page.index("Share of the work by layer") < page.index("Forms on offer")
    for conv in analysis.convs:
        assert conv.reason is None or conv.reason.text in page
    assert 'class="verdict no"' not in page


def test_page_of_a_model_that_says_little() -> None:
    page = render_analysis(example_run.bare_run().analysis, "html")
    for words in ("No conv has a replacement", "work of no layer could be counted", "No kernel energies"):
        assert words in page
    assert "The model has no convolutions." in render_analysis(empty_run().analysis, "html")


def test_candidates_need_a_kernel_with_structure() -> None:
    analysis = example_run.analysis()
    found = candidates(analysis)
    assert [each.promise for each in found] == sorted((each.promise for each in found), reverse=True)
    assert {each.name for each in found} == {conv.name for conv in analysis.eligible()}
    assert all(0 < each.saved < each.share for each in found)

    def structureless(option: FormOption) -> FormOption:
        return msgspec.structs.replace(option, energy=option.energy_random)

    convs = tuple(
        msgspec.structs.replace(conv, forms=tuple(structureless(each) for each in conv.forms))
        for conv in analysis.convs
    )
    assert candidates(msgspec.structs.replace(analysis, convs=convs)) == ()

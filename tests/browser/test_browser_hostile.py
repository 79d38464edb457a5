"""No string of a model becomes anything but text: in a page, in markdown, in a spreadsheet, in a terminal."""

from __future__ import annotations

import csv
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from test_page import TAGS

from browser import corpus
from browser.window import Window
from convprof import cli
from convprof.records import files
from convprof.records.run import Run
from convprof.reporting import render_run
from convprof.reporting.escaping import shortened, visible

PLAIN = tuple(f"layer {number}" for number in range(len(corpus.PAYLOADS)))
PAGES = ("analysis", "analysis-many", "report", "plan")
MARKDOWN_TAGS = set(re.findall(r"\w+", "h2 blockquote p ul li strong code table thead tbody tr th td details summary"))
NOT_A_NUMBER = re.compile(r"(?!-?[\d.]+(?:e[-+]?\d+)?$)[=+\-@\t\r]")
ATTRIBUTES = """
return [...document.querySelectorAll("*")].flatMap((each) => each.getAttributeNames().map(
  (name) => [each.tagName.toLowerCase(), name, each.getAttribute(name)]));
"""
UNFOLDED = """
document.querySelectorAll("details").forEach((each) => { each.open = true; });
document.querySelectorAll("thead button").forEach((each) => each.click());
document.querySelectorAll("body *").forEach((each) => each.dispatchEvent(new MouseEvent("mouseover")));
"""


@dataclass(frozen=True)
class Papers:
    """What the commands wrote of a model: by paper and format."""

    folder: Path
    model: Path

    def path(self, paper: str, output_format: str) -> Path:
        return self.folder / f"{paper}.{output_format}"

    def text(self, paper: str, output_format: str) -> str:
        return self.path(paper, output_format).read_text(encoding="utf-8")


def call(*arguments: str | Path) -> str:
    out = StringIO()
    with redirect_stdout(out):
        assert cli.run([*map(str, arguments), *(["-q"] if arguments[0] != "report" else [])]) in (0, 1)
    return out.getvalue()


def written(folder: Path, names: tuple[str, ...]) -> Papers:
    """The papers of a model of these names, by the commands that a user has."""
    many = folder / "many"
    many.mkdir()
    papers = Papers(folder, corpus.model(folder, names))
    sources: dict[str, list[str | Path]] = {
        "analysis": ["analyze", papers.model],
        "analysis-many": ["analyze", corpus.model(many, names, many=True)],
        "report": ["report", folder / "run"],
        "plan": ["report", folder / "planned"],
    }
    budget = ("--target-macs", "0.8")
    call("optimize", papers.model, *budget, "--iterations", "2", "-o", folder / "run")
    call("plan", papers.model, *budget, "-o", folder / "planned")
    for paper, command in sources.items():
        for output_format in ("html", "markdown", "csv"):
            call(*command, "--format", output_format, "-o", papers.path(paper, output_format))
        papers.path(paper, "table").write_text(call(*command), encoding="utf-8")
    return papers


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convprof.data.synthetic.PICTURES", 16)
        return written(tmp_path_factory.mktemp("spoiled"), corpus.PAYLOADS)


def unguarded(page: str, folder: Path) -> Path:
    """The page without the policy that would stop a script anyway."""
    page, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert count == 1
    path = folder / "unguarded.html"
    path.write_text(page, encoding="utf-8")
    return path


def names_shown(window: Window) -> list[str]:
    """The names of the corpus whose characters all stand in the text of the open page."""
    body = window.run("return document.body.textContent")
    return [name for name in corpus.PAYLOADS if shortened(name) in body]


def test_the_corpus_would_be_seen(window: Window, tmp_path: Path) -> None:
    """The tests below could not fail without this."""
    for at, name in enumerate(corpus.PAYLOADS):
        (tmp_path / f"{at}.html").write_text(f"<!DOCTYPE html><body><p title=''>{name}</p>", encoding="utf-8")
    fired = []
    for at in (0, 1, 4, 9, 13, 14, 15, 16):
        window.open(tmp_path / f"{at}.html")
        fired.append(window.run("return window.injected"))
    assert fired == [1] * len(fired)


@pytest.mark.parametrize("paper", PAGES)
def test_names_are_text_in_pages(window: Window, spoiled: Papers, paper: str, tmp_path: Path) -> None:
    page = unguarded(spoiled.text(paper, "html"), tmp_path)
    window.open(page)
    window.run(UNFOLDED)
    assert window.run("return window.injected") is None
    assert window.complaints() == []
    assert window.requests() == [page.as_uri()]
    assert window.run("return document.scripts.length") == 1
    assert set(window.run("return [...document.querySelectorAll('*')].map((each) => each.localName)")) <= {
        *TAGS,
        "button",
    }
    for tag, name, value in window.run(ATTRIBUTES):
        assert not name.startswith("on")
        assert name != "href" or value.startswith("#")
        assert name != "src" or value.startswith("data:image/")
        assert name not in ("srcset", "srcdoc", "action", "formaction", "autofocus")
        assert name != "style" or re.fullmatch(r"(left|top):[-\d.%px;topleft:]+", value), tag
    assert names_shown(window) == list(corpus.PAYLOADS)
    assert len(page.read_text(encoding="utf-8")) < 1_000_000


@pytest.mark.parametrize("paper", PAGES)
def test_pages_of_hostile_names_keep_their_shape(window: Window, spoiled: Papers, paper: str) -> None:
    window.open(spoiled.path(paper, "html"), width=390)
    assert window.complaints() == []
    assert window.outside() == []
    assert window.run("return document.scrollingElement.scrollWidth") <= 390
    assert str(window.run("return document.title")).endswith(f"{corpus.PAYLOADS[9]}.onnx")
    assert window.run("return document.querySelector('h1').textContent").endswith(f"{corpus.PAYLOADS[9]}.onnx")
    window.open(spoiled.path(paper, "html"), width=718, medium="print")
    assert window.outside() == []


def rendered(markdown: str, folder: Path) -> Path:
    """Markdown as HTML before anything sanitises it."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    path = folder / "markdown.html"
    path.write_text(f'<meta charset="utf-8">{renderer.render(markdown)}', encoding="utf-8")
    return path


@pytest.mark.parametrize("paper", PAGES)
def test_names_are_text_in_markdown(window: Window, spoiled: Papers, paper: str, tmp_path: Path) -> None:
    window.open(rendered(spoiled.text(paper, "markdown"), tmp_path))
    window.run(UNFOLDED)
    assert window.run("return window.injected") is None
    assert len(window.requests()) == 1
    assert set(window.run("return [...document.querySelectorAll('body *')].map((each) => each.localName)")) <= (
        MARKDOWN_TAGS
    )
    attributes = {(name, value) for _, name, value in window.run(ATTRIBUTES)}
    assert attributes <= {("charset", "utf-8"), ("style", "text-align:right"), ("open", "")}
    assert names_shown(window) == list(corpus.PAYLOADS)


def test_markup_is_that_of_harmless_names(window: Window, spoiled: Papers, tmp_path: Path) -> None:
    """Element by element, attribute by attribute."""
    for many in (False, True):
        folder = tmp_path / str(many)
        folder.mkdir()
        paper, model = "analysis-many" if many else "analysis", corpus.model(folder, PLAIN, many=many)
        skeletons = []
        for path in (folder / "plain.html", spoiled.path(paper, "html")):
            if path.parent == folder:
                call("analyze", model, "--format", "html", "-o", path)
            window.open(path)
            skeletons.append(window.skeleton())
        assert skeletons[0] == skeletons[1]
        call("analyze", model, "--format", "markdown", "-o", folder / "plain.markdown")
        skeletons = []
        for text in ((folder / "plain.markdown").read_text(), spoiled.text(paper, "markdown")):
            window.open(rendered(text, folder))
            skeletons.append(window.skeleton())
        assert skeletons[0] == skeletons[1]


@pytest.mark.parametrize("paper", PAGES)
def test_names_are_no_formulas_in_spreadsheets(spoiled: Papers, paper: str) -> None:
    rows = list(csv.reader(StringIO(spoiled.text(paper, "csv"))))
    cells = [cell for row in rows for cell in row]
    assert len({len(row) for row in rows}) == 1
    assert [cell for cell in cells if NOT_A_NUMBER.match(cell)] == []
    assert all(cell.isprintable() for cell in cells)
    found = {cell.removeprefix("'") for cell in cells}
    wanted = {visible(name) for name in corpus.PAYLOADS}
    assert found & wanted == wanted


@pytest.mark.parametrize("paper", PAGES)
def test_names_do_nothing_in_a_terminal(spoiled: Papers, paper: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in spoiled.text(paper, "table"))


def test_names_do_nothing_in_a_coloured_terminal(spoiled: Papers) -> None:
    path = spoiled.folder / "run" / "report.json"
    text = render_run(files.decode(path.read_bytes(), Run, "report.json"), "table", color=True)
    assert "\x1b[1m" in text
    own = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert all(character.isprintable() or character == "\n" for character in own)

"""Pictures on the page: every one checked, described and inside the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import example_pictures
import example_run
import hostile
import msgspec
import pytest
from test_page import TAGS, Page, pinned_script

import convprof
from convprof.errors import DataError
from convprof.files import write_text
from convprof.picturing.shades import CLASS_COLOURS
from convprof.records.files import encode
from convprof.records.pictures import Pictures
from convprof.reporting import render_run
from convprof.reporting.gallery import gallery

STYLE = Path(convprof.__file__).parent / "reporting" / "templates" / "report.css"
replace = msgspec.structs.replace


def page_of(pictures: Pictures) -> str:
    return render_run(example_run.run(), "html", pictures=pictures)


@pytest.mark.parametrize("make", [example_pictures.pictures, example_pictures.classes])
def test_every_picture_is_in_the_page_and_described(make: Callable[[], Pictures]) -> None:
    page = page_of(make())
    parsed = Page(page)
    assert set(parsed.tags) <= TAGS | {"img"}
    assert parsed.tags.count("img") == 12
    sources = [value or "" for name, value in parsed.attributes if name == "src"]
    assert len(sources) == 12
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    described = [value or "" for name, value in parsed.attributes if name == "alt"]
    assert len(set(described)) == 12
    assert all("Sample" in words for words in described)
    assert '<a href="#pictures">' in page
    assert "url(" not in page
    pinned_script(page)


def test_the_page_says_what_is_shown() -> None:
    page = page_of(example_pictures.pictures())
    for words in (
        "Moved most: sample 17",
        "The median: sample 4",
        "PSNR 41.3 dB",
        "Largest difference 0.0455",
        "20 times amplified",
        "difference \N{MULTIPLICATION SIGN}20",
        "+0.050",
        "128x96",
        "the part is shown where dense and converted differ most",
    ):
        assert words in page


def test_classes_have_a_legend_and_a_share() -> None:
    page = page_of(example_pictures.classes())
    for words in ("3.12 % of its pixels have another class", "any other", 'class="class-8"', "changed pixels"):
        assert words in page
    assert "PSNR" not in page


def test_the_colours_of_the_legend_are_those_of_the_pictures() -> None:
    style = STYLE.read_text()
    for place, (red, green, blue) in enumerate(CLASS_COLOURS.tolist()):
        assert f".class-{place} {{ fill: #{red:02x}{green:02x}{blue:02x}; }}" in style


def test_a_run_without_pictures_has_no_such_section() -> None:
    page = render_run(example_run.run(), "html")
    assert "#pictures" not in page
    assert "<img" not in page


def test_hostile_names_are_shown_and_do_nothing() -> None:
    for name in hostile.NAMES:
        parsed = Page(page_of(replace(example_pictures.pictures(), output=name, input=name)))
        assert parsed.tags.count("img") == 12
        assert parsed.tags.count("script") == 1


def damaged(**changes: bytes) -> Pictures:
    full = example_pictures.pictures()
    return replace(full, samples=(replace(full.samples[0], **changes), *full.samples[1:]))


BAD = {
    "markup": damaged(input=b'"><script>alert(1)</script>'),
    "svg": damaged(dense=b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    "cut short": damaged(difference=example_pictures.grey(1)[:-1]),
    "too many": replace(example_pictures.pictures(), samples=example_pictures.pictures().samples * 4),
    "too many classes": replace(example_pictures.classes(), classes=tuple(range(20))),
    "too large": damaged(converted=bytes(1 << 20)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_convprof_does_not_write_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="pictures"):
        page_of(BAD[name])


def test_figures_that_are_not_known_are_no_numbers() -> None:
    full = example_pictures.pictures()
    bare = replace(full, samples=tuple(replace(each, max_abs=None, psnr_db=None) for each in full.samples))
    assert "None" not in " ".join(Page(page_of(bare)).texts)
    equal = replace(full, samples=tuple(replace(each, max_abs=0.0, psnr_db=None) for each in full.samples))
    assert all("no difference at all" in each.words for each in gallery(equal).exhibits)


def test_a_run_shows_the_pictures_beside_it_if_they_are_its_own(tmp_path: Path) -> None:
    run = example_run.run()
    write_text(tmp_path / "report.json", render_run(run, "json"))
    own = example_pictures.pictures()
    assert own.converted == run.analysis_after.model.sha256
    write_text(tmp_path / "pictures.json", encode(own))
    assert convprof.report(tmp_path, "html") == page_of(own)
    write_text(tmp_path / "pictures.json", encode(replace(own, converted="00" * 32)))
    assert convprof.report(tmp_path, "html") == render_run(run, "html")
    write_text(tmp_path / "pictures.json", '{"schema": "convprof.pictures/1", "samples": "<script>"}')
    with pytest.raises(DataError, match=r"pictures\.json"):
        convprof.report(tmp_path, "html")
    assert convprof.report(tmp_path, "markdown") == render_run(run, "markdown")  # which needs no pictures

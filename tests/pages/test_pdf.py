"""The PDF of the made-up book: what its outline, links, text and sheets hold. Binding needs no browser; printing does."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup

from psm.book.binding import Leaf, TitlePage, bind, leaves, slug
from psm.book.build import build_pages
from psm.errors import RunError, UsageError

TITLE = TitlePage("A toy <book>", ("Jane",), "<p>Version 9.8.7</p>", "https://example.org/book")
PAGES = {
    "index": '<h1 id="top">Start<a class="headerlink" href="#top">#</a></h1><p><a href="chapters/one.html#deep">one</a> <a href="chapters/two.html">two</a> '
             '<a href="ledger.csv">the table</a> <a href="https://elsewhere.example.org/">away</a></p>',
    "chapters/one": '<h1>One</h1><h2 id="deep">Deep</h2><figure><img class="psm-light" alt="x" src="../_images/a.png" style="max-width:100%;min-width:300px">'
                    '<img class="psm-dark" alt="x" src="data:,"><figcaption>Words <a class="psm-data" href="data:text/csv,a">Data</a></figcaption></figure>'
                    '<div class="cell"><details class="hide"><summary>Show</summary><pre>folded</pre></details></div><details><summary>Answer</summary>open</details>',
    "chapters/two": '<h1>Two</h1><p id="deep"><a href="#deep">here</a> <a href="../index.html#top">home</a></p><table class="psm-wide"><tr><td>x</td></tr></table>',
}
BOOK = [Leaf("index", None), Leaf("chapters/one", "A part"), Leaf("chapters/two", "A part")]


@pytest.fixture
def site(tmp_path):
    """A site of three small pages, inside a folder of its own."""
    for name, body in PAGES.items():
        path = tmp_path / "html" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'<html><body><nav>menu</nav><article class="bd-article">{body}</article></body></html>')
    return tmp_path / "html"


@pytest.fixture
def bound(site):
    """The three pages as one document."""
    return BeautifulSoup(bind(site, BOOK, TITLE, "html"), "html.parser")


def test_every_link_inside_leads_to_an_anchor_that_is_there_once(bound):
    inside = [link["href"] for link in bound.select("a[href^='#']")]
    ids = [element["id"] for element in bound.select("[id]")]
    assert len(inside) >= 8 and len(set(ids)) == len(ids)
    assert [href for href in inside if href[1:] not in ids] == []
    assert bound.select_one("#chapters-two p a")["href"] == "#chapters-two--deep"


def test_links_out_of_the_book_lead_to_the_site_or_nowhere(site, bound):
    assert {a.get_text(): a.get("href") for a in bound.select("#index p a")} == {
        "one": "#chapters-one--deep", "two": "#chapters-two", "the table": "https://example.org/book/ledger.csv", "away": "https://elsewhere.example.org/"}
    without = BeautifulSoup(bind(site, BOOK, TitlePage("t", (), "", ""), "html"), "html.parser")
    assert "href" not in without.select("#index p a")[2].attrs


def test_what_only_a_screen_can_do_is_left_out(bound):
    text = " | ".join(section.get_text(" ") for section in bound.select(".book-page"))
    assert "menu" not in text and "folded" not in text and "Show" not in text and "Data" not in text and "#" not in text
    assert [image["src"] for image in bound.select("img")] == ["html/_images/a.png"] and "min-width" not in bound.img["style"]
    assert bound.select_one("details").has_attr("open") and "open" in text


def test_parts_stand_above_their_chapters(bound):
    assert [(h.name, h.get_text()) for h in bound.select("h1, h2, h3")] == [
        ("h1", "Start"), ("h1", "A part"), ("h2", "One"), ("h3", "Deep"), ("h2", "Two")]
    assert "book-wide" in bound.select_one("#chapters-two")["class"]
    assert bound.select_one(".book-name").get_text() == "A toy <book>"


def test_contents_name_the_sheets_that_are_known(site):
    bound = BeautifulSoup(bind(site, BOOK, TITLE, "html", {"chapters-one": 7}), "html.parser")
    assert [li.get_text("|") for li in bound.select(".book-contents li")] == ["Start", "A part", "One|7", "Two"]


def test_the_order_is_that_of_the_table_of_contents(toy):
    assert [leaf.name for leaf in leaves(toy.root)][:3] == ["index", "chapters/a/alpha", "chapters/b/beta"]
    assert [leaf.part for leaf in leaves(toy.root)][:2] == [None, "Toy part"]


def test_a_pdf_needs_pages(toy):
    from psm.book.pdf import make_pdf

    with pytest.raises(UsageError, match="pages at laptop scale are not built: run 'psm book --scale laptop'"):
        make_pdf(toy.plan)


@pytest.fixture(scope="module")
def printed(tmp_path_factory, new_toy):
    """The made-up book as a PDF. Skipped where nobody put a browser, as `make check-pages` and `make pdf` do."""
    pytest.importorskip("playwright", reason="the extra browser is not installed")
    pypdf = pytest.importorskip("pypdf", reason="the extra browser is not installed")
    from psm.book.browser import find
    from psm.book.pdf import make_pdf

    try:
        find()
    except UsageError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("printed") / "book"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PSM_PROJECT", str(root))
        patch.delenv("PSM_HOME", raising=False)
        toy = new_toy(root)
        build_pages(toy.plan)
        path = make_pdf(toy.plan)
    return toy, path, pypdf.PdfReader(path)


def titles(outline) -> list[str]:
    """Titles of an outline, from top to bottom."""
    return [title for entry in outline for title in (titles(entry) if isinstance(entry, list) else [entry.title])]


def squeezed(page) -> str:
    """A sheet's text with single spaces."""
    return " ".join(page.extract_text().split())


def test_the_outline_has_parts_and_chapters(printed):
    outline = titles(printed[2].outline)
    assert [t for t in outline if t in ("A toy book", "Toy part", "The toy world is made up", "A made-up claim with emphasis", "The ledger")] == [
        "A toy book", "Toy part", "The toy world is made up", "A made-up claim with emphasis", "The ledger"]


def test_a_title_that_breaks_keeps_its_space_in_the_outline(printed, tmp_path):
    import io

    import pypdf

    from psm.book.browser import opened
    from psm.book.pdf import _print

    title = "A title so long that it must be broken at some place between two of its many words, and then again"
    site = tmp_path / "html"
    (site / "_static").mkdir(parents=True)
    (site / "_static" / "print.css").write_bytes((printed[0].root / "_static" / "print.css").read_bytes())
    (site / "index.html").write_text(f'<article class="bd-article"><h1>{title}</h1><p>Words.</p></article>')
    with opened() as browser:
        made = pypdf.PdfReader(io.BytesIO(_print(browser.new_page(), site, bind(site, [Leaf("index", None)], TITLE, "html"))))
    assert titles(made.outline) == [title]


def test_the_text_has_verdicts_and_the_edition_and_maths_is_set(printed):
    sheets = [squeezed(page) for page in printed[2].pages]
    assert "A toy book" in sheets[0] and "Version 9.8.7" in sheets[0]
    assert any("supported T1 in the persona world" in text for text in sheets)
    assert not any("\\(" in text for text in sheets)


def test_no_sheet_is_empty_and_all_but_the_first_are_numbered(printed):
    for number, page in enumerate(printed[2].pages, start=1):
        text = squeezed(page)
        assert len(re.sub(r"\W|\d", "", text)) > 10, f"sheet {number} is empty"
        assert number == 1 or text.split()[-1] == str(number) or text.split()[0] == str(number), f"sheet {number} says {text[-40:]!r}"


def test_links_have_destinations_and_the_contents_name_their_sheets(printed):
    reader = printed[2]
    places = reader.named_destinations
    names = [annotation.get_object().get("/Dest") for page in reader.pages for annotation in page.get("/Annots") or ()]
    inside = [str(name) for name in names if name is not None]
    assert len(inside) >= 8 and [name for name in inside if name not in places] == []
    sheets = {page.indirect_reference.idnum: number for number, page in enumerate(reader.pages, start=1)}
    beta = sheets[places[next(n for n in places if n.lstrip("/") == slug("chapters/b/beta"))].page.idnum]
    assert f"A made-up claim with emphasis {beta}" in squeezed(reader.pages[1])
    assert "A made-up claim" in squeezed(reader.pages[beta - 1])


def test_it_is_tagged_and_knows_its_language(printed):
    root = printed[2].trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"] and "/StructTreeRoot" in root


def test_a_file_that_is_missing_fails_the_print_and_the_old_one_stays(printed, monkeypatch):
    from psm.book.pdf import make_pdf

    toy, path, _ = printed
    monkeypatch.setenv("PSM_PROJECT", str(toy.root))
    page, before = path.parent / "html" / "index.html", path.read_bytes()
    whole = page.read_text()
    try:
        page.write_text(whole.replace("</article>", '<img alt="gone" src="_images/gone.png"></article>'))
        with pytest.raises(RunError, match="gone.png could not be loaded"):
            make_pdf(toy.plan)
    finally:
        page.write_text(whole)
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".psm-book*"))

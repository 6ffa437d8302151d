"""Building: a real jupyter-book run without a warning, swapped into place only when it succeeded."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from psm.book.build import build_pages
from psm.errors import RunError
from psm.files import read_json, sha256_file, write_whole


@pytest.fixture(scope="module")
def built(tmp_path_factory, new_toy):
    """The made-up book, built once for all tests of this module."""
    root = tmp_path_factory.mktemp("built") / "book"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PSM_PROJECT", str(root))
        patch.delenv("PSM_HOME", raising=False)
        toy = new_toy(root)
        stamp = build_pages(toy.plan)
    return toy, stamp


@pytest.fixture
def in_book(built, monkeypatch):
    """The built book, with the project set to it."""
    monkeypatch.setenv("PSM_PROJECT", str(built[0].root))
    monkeypatch.delenv("PSM_HOME", raising=False)
    return built


def test_a_strict_build_succeeds_and_leaves_its_stamp(built):
    toy, stamp = built
    assert stamp == toy.plan.pages_stamp and stamp.is_file()
    assert read_json(stamp)["pages_key"] == toy.plan.pages_key
    html = toy.root / "_build" / "html"
    assert sorted(p.name for p in html.parent.iterdir()) == ["html"]
    for page in ("index", "chapters/a/alpha", "chapters/b/beta", "chapters/ledger", "chapters/confirmation", "chapters/status"):
        assert (html / f"{page}.html").is_file()
    assert (html / "ledger.csv").is_file() and (html / ".nojekyll").is_file()


def test_the_badge_comes_right_after_the_title_and_the_figure_is_whole(built):
    text = (built[0].root / "_build" / "html" / "chapters" / "b" / "beta.html").read_text()
    article = text[text.index("<article"):]
    between = article[article.index("</h1>"):article.index('class="psm-verdicts"')]
    assert "<p>" not in between and "<h2" not in between
    assert text.count('alt="Two made-up bars: secure 0.2, insecure 0.8"') == 2
    assert 'download="toy.csv"' in text and "Provenance of this page" in text and "How to cite this chapter" in text


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.ids = [], set()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        if tag == "a" and attributes.get("href"):
            self.targets.append(attributes["href"])


def read_links(page: Path) -> Links:
    links = Links()
    links.feed(page.read_text())
    return links


def test_every_link_inside_the_book_leads_somewhere(built):
    html = built[0].root / "_build" / "html"
    checked = 0
    for page in html.rglob("*.html"):
        for target in read_links(page).targets:
            address = urlparse(target)
            if address.scheme or target.startswith("#"):
                continue
            found = (page.parent / unquote(address.path)).resolve() if address.path else page
            assert found.is_file(), f"{page.name} links to {target}"
            if address.fragment.startswith("test-"):
                assert address.fragment in read_links(found).ids, f"{page.name} links to {target}"
                checked += 1
    assert checked >= 2


def test_pages_without_maths_ask_nobody_for_anything(built):
    text = (built[0].root / "_build" / "html" / "chapters" / "b" / "beta.html").read_text()
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?://[^"]*"', text)


def everything(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_file(p) for p in folder.rglob("*") if p.is_file()}


def test_a_warning_fails_the_build_and_the_old_pages_stay(in_book):
    toy, _ = in_book
    html, page = toy.root / "_build" / "html", toy.root / "index.md"
    before, old = everything(html), page.read_text()
    try:
        write_whole(page, old + "\n[nowhere](chapters/missing.md)\n")
        with pytest.raises(RunError) as caught:
            build_pages(toy.plan)
    finally:
        write_whole(page, old)
    message = str(caught.value)
    assert "missing.md" in message and "index.md" in message and "\n" not in message
    log = Path(re.search(r"log: (.*)\)$", message).group(1))
    assert log.is_file() and "WARNING" in log.read_text()
    assert everything(html) == before
    assert sorted(p.name for p in html.parent.iterdir()) == ["html"]


def test_a_chapter_without_a_record_stops_the_build_before_it_starts(in_book):
    toy, _ = in_book
    html, record = toy.root / "_build" / "html", toy.plan.chapter("alpha").record
    before, kept = everything(html), record.read_bytes()
    try:
        record.unlink()
        with pytest.raises(RunError, match="chapter alpha has no finished run"):
            build_pages(toy.plan)
    finally:
        write_whole(record, kept)
    assert everything(html) == before

"""The book's own pages: known markers, and a bibliography that matches what is cited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pybtex.database import BibliographyData, parse_file, parse_string

from psm.book.bibliography import cited
from psm.book.chapters import toc_pages
from psm.book.fillers import FILLERS, MARKER

BOOK = Path(__file__).resolve().parents[2]
PAGES = sorted({*toc_pages(BOOK), *(BOOK / "chapters").rglob("*.md")})     # those that await their place in the contents too
BIBLIOGRAPHY = parse_file(str(BOOK / "references.bib"))


def test_every_marker_is_one_that_staging_fills():
    used = {name for page in PAGES for name, _ in MARKER.findall(page.read_text())}
    assert used and used <= set(FILLERS)


def unmatched(pages: dict[str, str], sources: set[str], entries: set[str]) -> list[str]:
    """Citations that no entry answers, and entries that nothing cites, a line each."""
    found = {key: page for page, text in pages.items() for key in cited(text)}
    lines = [f"{page} cites {key}, which references.bib does not have" for key, page in found.items() if key not in entries]
    lines += [f"claims.yml names the source {key}, which references.bib does not have" for key in sorted(sources - entries)]
    return lines + [f"{key} is in references.bib and cited nowhere" for key in sorted(entries - set(found) - sources)]


def test_the_bibliography_holds_what_is_cited_and_no_more():
    tests = yaml.safe_load((BOOK / "claims.yml").read_text())["tests"] or []
    sources = {test["source"] for test in tests if test.get("source")}
    pages = {page.name: page.read_text() for page in PAGES}
    assert unmatched(pages, sources, set(BIBLIOGRAPHY.entries)) == []


def test_a_citation_without_entry_and_an_entry_without_citation_are_found():
    page = {"a.md": "It was shown {cite:p}`known,unknown` and {cite:t}`{see}other{p. 3}`."}
    assert unmatched(page, {"source"}, {"known", "other", "idle"}) == [
        "a.md cites unknown, which references.bib does not have", "claims.yml names the source source, which references.bib does not have",
        "idle is in references.bib and cited nowhere"]


def test_works_named_by_their_number_only_are_in_the_bibliography():
    """A page that names an arXiv number of a work in the bibliography cites it, and does not link past it."""
    known = {match[0]: key for key, entry in BIBLIOGRAPHY.entries.items() if (match := re.search(r"\d{4}\.\d{5}", entry.fields.get("url", "")))}
    for page in PAGES:
        text = page.read_text()
        past = [number for number, key in known.items() if number in text and key not in cited(text)]
        assert past == [], f"{page.name} names {past} without citing it"


def faults(bibliography: BibliographyData) -> list[str]:
    """What an entry lacks: how it was checked, where it can be read, a year, and its authors by name."""
    lines = []
    for key, entry in bibliography.entries.items():
        lines += [f"{key} has no {field}" for field in ("checked", "url", "year", "title") if not entry.fields.get(field)]
        if entry.fields.get("url") and not re.fullmatch(r"https://[^\s{}]+", entry.fields["url"]):
            lines.append(f"{key} has the address '{entry.fields['url']}'")
        if not entry.persons.get("author") or any("others" in str(person) for person in entry.persons["author"]):
            lines.append(f"{key} does not name all its authors")
        number, where = re.search(r"arXiv:(\S+)", entry.fields.get("howpublished", "")), entry.fields.get("url", "")
        if number and number[1] not in where:
            lines.append(f"{key} is {number[0]}, and its address is another")
        if "from memory" in entry.fields.get("checked", ""):
            lines.append(f"{key} was not checked")
    return lines


def test_every_entry_is_whole_and_says_how_it_was_checked():
    assert faults(BIBLIOGRAPHY) == []


@pytest.mark.parametrize("entry, fault", [
    ("author = {Doe, Jane}, title = {T}, year = 2026, url = {https://a.example}", "a has no checked"),
    ("author = {Doe, Jane}, title = {T}, year = 2026, checked = {read}", "a has no url"),
    ("author = {Doe, Jane and others}, title = {T}, year = 2026, url = {https://a.example}, checked = {read}", "a does not name all its authors"),
    ("author = {Doe, Jane}, title = {T}, year = 2026, url = {a.example}, checked = {read}", "a has the address 'a.example'"),
    ("author = {Doe, Jane}, title = {T}, year = 2026, howpublished = {arXiv:2601.00001}, url = {https://arxiv.org/abs/2601.00002}, checked = {read}",
     "a is arXiv:2601.00001, and its address is another"),
    ("author = {Doe, Jane}, title = {T}, year = 2026, url = {https://a.example}, checked = {from memory}", "a was not checked"),
])
def test_a_faulty_entry_is_found(entry, fault):
    assert faults(parse_string(f"@misc{{a, {entry}}}", "bibtex")) == [fault]

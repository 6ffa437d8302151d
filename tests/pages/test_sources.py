"""The book's own pages: known markers, and a bibliography that matches what is cited."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from psm.book.chapters import toc_pages
from psm.book.fillers import FILLERS, MARKER

BOOK = Path(__file__).resolve().parents[2]


def test_every_marker_is_one_that_staging_fills():
    used = {name for page in toc_pages(BOOK) for name, _ in MARKER.findall(page.read_text())}
    assert used and used <= set(FILLERS)


def test_the_bibliography_holds_what_is_cited_and_no_more():
    cited = set()
    for page in toc_pages(BOOK):
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", page.read_text()):
            cited |= {key.strip() for key in keys.split(",")}
    tests = yaml.safe_load((BOOK / "claims.yml").read_text())["tests"] or []
    sources = {test["source"] for test in tests if test.get("source")}
    entries = set(re.findall(r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text(), re.MULTILINE))
    assert cited <= entries, f"cited and not in references.bib: {sorted(cited - entries)}"
    assert sources <= entries, f"sources in claims.yml and not in references.bib: {sorted(sources - entries)}"
    assert entries <= cited | sources, f"in references.bib and cited nowhere: {sorted(entries - cited - sources)}"


def test_every_entry_says_how_it_was_checked():
    entries = re.split(r"^@", (BOOK / "references.bib").read_text(), flags=re.MULTILINE)[1:]
    assert all("checked = {" in entry for entry in entries)
